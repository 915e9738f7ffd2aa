#include "tools/signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tools/caller.h"

namespace ramet::tools {
namespace {

std::atomic<int> caught{0};
std::atomic<int> event{-1};

// What wait_for_signal() waits for.
std::mutex mu;
std::condition_variable came;
bool keeps_hangups = false;
bool hung_up = false;

void end_by(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
}

void wait_for(sigset_t set) {
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  for (;;) {
    int signal = 0;
    if (::sigwait(&set, &signal) != 0) continue;
    const std::lock_guard lock(mu);
    came.notify_all();
    if (signal == SIGHUP && keeps_hangups) {
      hung_up = true;
      continue;
    }
    int none = 0;
    if (!caught.compare_exchange_strong(none, signal)) end_by(signal);
    const uint64_t one = 1;  // (the event of an eventfd that nobody reads cannot be full)
    [[maybe_unused]] const ssize_t written = ::write(event, &one, sizeof(one));
  }
}

}  // namespace

void install_signal_handlers() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      sigaddset(&set, signal);
    }
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  sigaddset(&set, SIGHUP);  // (one that is ignored never comes, unless keep_hangups() is called)
  event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::thread(wait_for, set).detach();
}

void keep_hangups() {
  {
    const std::lock_guard lock(mu);
    keeps_hangups = true;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGHUP, SIG_DFL);  // it is blocked everywhere: nothing but the waiting thread takes it
}

Woken wait_for_signal(std::chrono::nanoseconds at_most) {
  std::unique_lock lock(mu);
  came.wait_for(lock, at_most, [] { return hung_up || caught.load() != 0; });
  if (caught.load() != 0) return Woken::kByInterrupt;
  if (!hung_up) return Woken::kByTime;
  hung_up = false;
  return Woken::kByHangup;
}

const std::atomic<int>& process_signal() { return caught; }
int process_signal_event() { return event; }

bool interrupted() { return current_caller().interrupted(); }
int interrupting_signal() { return current_caller().signal.load(); }

}  // namespace ramet::tools
