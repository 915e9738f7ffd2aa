// Signals of the program: the first interrupt asks for a clean end, the second one ends at once.
#pragma once

#include <chrono>

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

// For those who run until they are told to end. From now on SIGHUP asks for no end, but is told by
// wait_for_signal(), also where it was ignored. Call from main()'s thread before others are started.
void keep_hangups();

enum class Woken { kByTime, kByHangup, kByInterrupt };
// Waits for so long at most. Hangups that came together, or before the call, are one; an interrupt
// is told again and again.
Woken wait_for_signal(std::chrono::nanoseconds at_most);

}  // namespace ramet::tools
