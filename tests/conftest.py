"""What all tests need of their process."""

import signal

# A shell that puts the tests in the background without job control leaves them SIGINT ignored, and
# every command that a test starts and interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
