#include "tools/signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "tools/caller.h"

namespace ramet::tools {
namespace {

std::atomic<int> caught{0};
std::atomic<int> event{-1};

void end_by(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
}

void wait_for(sigset_t set) {
  for (;;) {
    int signal = 0;
    if (::sigwait(&set, &signal) != 0) continue;
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
  event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::thread(wait_for, set).detach();
}

const std::atomic<int>& process_signal() { return caught; }
int process_signal_event() { return event; }

bool interrupted() { return current_caller().interrupted(); }
int interrupting_signal() { return current_caller().signal.load(); }

}  // namespace ramet::tools
