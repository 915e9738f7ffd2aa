#include "tools/local_commands.h"

#include <utility>

#include "tools/caller.h"
#include "tools/commands.h"

namespace ramet::tools {
namespace {

int run_handed_over(serve::LocalCommand& command, Store& store, const std::string& path) {
  Caller caller(command.signal);
  caller.in = command.in.get();
  caller.out = command.out.get();
  caller.err = command.err.get();
  caller.directory = command.directory;
  caller.elsewhere = Caller::Elsewhere{command.peer.pid,
                                       command.peer.uid,
                                       command.peer.gid,
                                       static_cast<mode_t>(command.request.umask),
                                       std::move(command.request.environment),
                                       std::move(command.request.zone)};
  caller.store = &store;
  caller.store_path = path;
  return run_program(std::move(command.request.arguments), caller);
}

}  // namespace

Result<std::unique_ptr<serve::LocalDoor>> open_local_door(Store& store, const std::string& path,
                                                          serve::LocalDoor::Options options) {
  if (!path.starts_with('/')) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + path + "': a daemon's store is opened by an absolute path");
  }
  options.store = path;
  options.program = program_version();
  return serve::LocalDoor::open(std::move(options), [&store, path](serve::LocalCommand& command) {
    return run_handed_over(command, store, path);
  });
}

}  // namespace ramet::tools
