// What the commands of access control share: principals and containers as they are named on the
// command line, and switches.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/access.h"
#include "tools/commands.h"
#include "tools/session.h"

namespace ramet::tools {

// By name; kNotFound with a hint.
Result<Principal> principal_named(Context& context, Session& session, const std::string& name);
// The same, and "everyone" for the null id.
Result<PrincipalId> grantee_named(Context& context, Session& session, const std::string& name);
// A container by name alone; kInvalidArgument for anything else, kNotFound with a hint.
Result<ContainerInfo> container_named(Session& session, const std::string& name);

// Names of principals and containers by id, looked up once each. "everyone" for the null id; an id
// that leads nowhere is shown as it is.
class AccessNames {
 public:
  explicit AccessNames(Session& session) : session_(session) {}
  const std::string& of(PrincipalId id);
  const std::string& of(ContainerId id);

 private:
  Session& session_;
  std::map<PrincipalId, std::string> principals_;
  std::map<ContainerId, std::string> containers_;
};

// "on" or "off"; nothing for an empty text.
std::optional<bool> switch_of(const std::string& text);
extern const std::vector<std::string> kSwitch;  // the values of such an option
extern const std::vector<std::string> kLevels;  // "view" to "administer"

// What is shown of a time: empty, or "never", for 0.
std::string time_or(int64_t time, const char* otherwise);
// json[key]: the time, or null for 0.
void set_time(Json& json, const std::string& key, int64_t time);

}  // namespace ramet::tools
