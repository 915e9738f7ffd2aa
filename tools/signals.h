// Signals of the program: the first interrupt asks for a clean end, the second one ends at once.
#pragma once

namespace ramet::tools {

// To be called first in main(), before any thread is started. From then on a thread of its own
// waits for SIGINT, SIGTERM and SIGHUP (those that were not ignored, as nohup and background jobs
// do), so that no system call of another thread is ever interrupted. SIGPIPE is ignored: writing
// to a closed pipe is an error that Output turns into a quiet end.
void install_signal_handlers();

// True once a signal asked for an end. Thread-safe.
bool interrupted();
// The signal that did, or 0.
int interrupting_signal();

}  // namespace ramet::tools
