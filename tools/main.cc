// The program `ramet`.
#include <string>
#include <vector>

#include "io/open_files.h"
#include "tools/commands.h"
#include "tools/signals.h"

int main(int argc, char** argv) {
  ramet::io::raise_open_files_max();
  ramet::tools::install_signal_handlers();
  return ramet::tools::run_program({argv + (argc > 0 ? 1 : 0), argv + argc},
                                   ramet::tools::Caller::process());
}
