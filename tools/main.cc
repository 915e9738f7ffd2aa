// The program `ramet`.
#include <unistd.h>

#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/signals.h"

int main(int argc, char** argv) {
  ramet::tools::install_signal_handlers();
  return ramet::tools::run_program({argv + (argc > 0 ? 1 : 0), argv + argc}, STDOUT_FILENO);
}
