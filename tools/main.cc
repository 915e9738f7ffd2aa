// The program `ramet`.
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "io/open_files.h"
#include "tools/commands.h"
#include "tools/signals.h"

namespace {

// Who closed a standard stream gets errors when it is used: nothing that is opened later, a file of
// the store perhaps, may take its number. (O_PATH: it can be neither read nor written.)
void keep_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", O_PATH) != fd) ::_exit(ramet::tools::kExitIo);
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  ramet::io::raise_open_files_max();
  ramet::tools::install_signal_handlers();
  return ramet::tools::run_program({argv + (argc > 0 ? 1 : 0), argv + argc},
                                   ramet::tools::Caller::process());
}
