#include "tools/signals.h"

#include <signal.h>

#include <atomic>
#include <thread>

namespace ramet::tools {
namespace {

std::atomic<int> caught{0};

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
  std::thread(wait_for, set).detach();
}

bool interrupted() { return caught.load() != 0; }
int interrupting_signal() { return caught.load(); }

}  // namespace ramet::tools
