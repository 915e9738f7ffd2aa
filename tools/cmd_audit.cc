// audit list, export, trim
#include <algorithm>
#include <chrono>

#include "engine/access.h"
#include "engine/quantity.h"
#include "tools/commands.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct AuditOptions {
  uint64_t from = 0;
  uint64_t newest = 0;
  uint64_t before = 0;
  std::string older_than;
};

Json entry_json(const AuditEntry& entry) {
  Json json;
  json["number"] = entry.number;
  json["time"] = iso_time(entry.time);
  set_name(json, "principal", entry.principal);
  set_name(json, "action", entry.action);
  set_name(json, "target", entry.target);
  set_name(json, "detail", entry.detail);
  set_name(json, "from", entry.from);
  return json;
}

// The number to begin with so that at most so many entries are left.
Result<uint64_t> first_of(Session& session, uint64_t from, uint64_t newest) {
  if (newest == 0) return from;
  std::vector<uint64_t> ring(static_cast<size_t>(std::min<uint64_t>(newest, 1u << 20)));
  uint64_t seen = 0;
  RAMET_TRY(session.store().access().audit_log(from, [&](const AuditEntry& entry) {
    ring[seen++ % ring.size()] = entry.number;
    return true;
  }));
  return seen < ring.size() ? from : ring[seen % ring.size()];
}

Result<int> list_entries(Context& context, Session& session, const AuditOptions& options) {
  RAMET_ASSIGN(const uint64_t from, first_of(session, options.from, options.newest));
  AccessControl& access = session.store().access();
  if (context.json) {
    JsonArray array(context.out);
    RAMET_TRY(access.audit_log(from, [&](const AuditEntry& entry) {
      array.add(entry_json(entry));
      return !context.out.failed();
    }));
    return kExitOk;
  }
  Table table(context.out, "rllllll");
  if (!context.quiet) {
    table.row({"NUMBER", "TIME", "WHO", "FROM", "ACTION", "TARGET", "DETAIL"});
  }
  RAMET_TRY(access.audit_log(from, [&](const AuditEntry& entry) {
    table.row({std::to_string(entry.number), short_time(entry.time),
               entry.principal.empty() ? "(operator)" : escape_message(entry.principal),
               escape_message(entry.from), escape_message(entry.action), quote_name(entry.target),
               escape_message(entry.detail)});
    return !context.out.failed();
  }));
  return kExitOk;
}

Result<int> export_entries(Context& context, Session& session, const AuditOptions& options) {
  RAMET_TRY(session.store().access().audit_log(options.from, [&](const AuditEntry& entry) {
    context.out.print("{}\n", compact_json(entry_json(entry)));
    return !context.out.failed();
  }));
  return kExitOk;
}

Result<int> trim(Context& context, Session& session, const AuditOptions& options) {
  if ((options.before == 0) == options.older_than.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "give either --before NUMBER or --older-than DURATION");
  }
  AccessControl& access = session.store().access();
  uint64_t before = options.before;
  if (before == 0) {
    RAMET_ASSIGN(const int64_t age, parse_duration(options.older_than));
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const int64_t end = std::chrono::nanoseconds(now).count() - age;
    RAMET_TRY(access.audit_log(0, [&](const AuditEntry& entry) {
      if (entry.time < end) before = entry.number + 1;
      return entry.time < end;
    }));
  }
  RAMET_TRY(access.trim_audit_log(before));
  if (context.json) print_json(context.out, Json{{"before", before}});
  return kExitOk;
}

}  // namespace

void add_audit_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "audit", "The log of who changed what");
  auto listed = std::make_shared<AuditOptions>();
  Command(line, group, "list", "List entries, the oldest first", "",
          {"ramet audit list -n 20", "ramet audit list --from 68157440"})
      .number("--from", listed->from, "Begin with this number")
      .number("-n,--newest", listed->newest, "Only so many, the newest")
      .run(listed, Access::kRead, list_entries);
  auto exported = std::make_shared<AuditOptions>();
  Command(line, group, "export", "Print all entries, a JSON object a line", "",
          {"ramet audit export > audit.jsonl", "ramet audit export --from 68157441 >> audit.jsonl"})
      .number("--from", exported->from, "Begin with this number")
      .run(exported, Access::kRead, export_entries);
  auto trimmed = std::make_shared<AuditOptions>();
  Command(line, group, "trim", "Forget old entries (export them first); that is logged", "",
          {"ramet audit trim --older-than 52w", "ramet audit trim --before 68157440"})
      .number("--before", trimmed->before, "Entries before this number")
      .option("--older-than", trimmed->older_than, "DURATION",
              "Entries of this age: a number with s, m, h, d or w")
      .run(trimmed, Access::kWrite, trim);
}

}  // namespace ramet::tools
