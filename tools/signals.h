// Signals of the program: the first interrupt asks for a clean end, the second one ends at once.
#pragma once

#include <atomic>
#include <chrono>

namespace ramet::tools {

// To be called first in main(), before any thread is started. From then on a thread of its own
// waits for SIGINT, SIGTERM and SIGHUP (those that were not ignored, as nohup and background jobs
// do), so that no system call of another thread is ever interrupted. SIGPIPE is ignored: writing
// to a closed pipe is an error that Output turns into a quiet end.
void install_signal_handlers();

// The signal that asked this process for an end, or 0.
const std::atomic<int>& process_signal();
// A descriptor that can be read from then on, for poll(); nothing is ever read from it. -1 before
// install_signal_handlers().
int process_signal_event();

// True once a signal asked the command of this thread for an end (tools/caller.h). Thread-safe.
bool interrupted();
// The signal that did, or 0.
int interrupting_signal();

// For those who run until they are told to end. From now on SIGHUP asks for no end, but is told by
// wait_for_signal(), also where it was ignored. Call from main()'s thread, before others begin.
void keep_hangups();

enum class Woken { kByTime, kByHangup, kByInterrupt };
// Waits for so long at most. Hangups that came together, or before the call, are one; an interrupt
// is told again and again.
Woken wait_for_signal(std::chrono::nanoseconds at_most);

}  // namespace ramet::tools
