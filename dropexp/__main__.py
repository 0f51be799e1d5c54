"""``python -m dropexp``, and the installed command."""


def main() -> None:
    """Run the command line."""
    # Not at the top: a sweep's fork server imports this module too, and needs no command line.
    from dropexp.training.startup import keep_out_current_folder, shorten_waits

    keep_out_current_folder()
    shorten_waits()
    from dropexp.cli.main import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
