// Objects of any class: described, changed and closed.
#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_edit.h"
#include "tools/serve/dnanexus/upload_json.h"

namespace ramet::serve::dnanexus {
namespace {

// Where what is said of an object may be changed: UPLOAD while it is open, CONTRIBUTE for ever.
Outcome<Located> locate_to_edit(Call& call) {
  RAMET_ASSIGN(Located found, call.locate_named(AccessLevel::kUpload));
  if (found.info.standing.state == ObjectState::kOpen ||
      found.project.level >= AccessLevel::kContribute) {
    return found;
  }
  return Fault(Type::kPermissionDenied,
               fmt::format("CONTRIBUTE permission required in \"{}\" to change a closed object",
                           to_text(found.project.info.id)));
}

Task<Answer> edit_named(Call& call, ObjectEdit edit) {
  const auto look = [&] { return locate_to_edit(call); };
  RAMET_CO_ASSIGN(const Located found, co_await call.quick(look));
  RAMET_CO_TRY(co_await edit_object(call, found, edit));
  co_return subject_json(call);
}

// What is frozen once the object is closed.
Task<Answer> edit_open(Call& call, ObjectEdit edit) {
  const auto look = [&] { return call.locate_open(); };
  RAMET_CO_ASSIGN(const Located found, co_await call.quick(look));
  const auto while_open = [&](Transaction& transaction, const View& view,
                              ObjectInfo& info) -> Outcome<void> {
    if (info.standing.state != ObjectState::kOpen) {
      return Fault(Type::kInvalidState,
                   fmt::format("\"{}\" is not in the open state", call.subject));
    }
    return edit(transaction, view, info);
  };
  RAMET_CO_TRY(co_await edit_object(call, found, while_open));
  co_return subject_json(call);
}

void remove_all(std::vector<std::string>& list, const std::vector<std::string>& gone) {
  std::erase_if(list, [&](const std::string& one) {
    return std::find(gone.begin(), gone.end(), one) != gone.end();
  });
}

}  // namespace

Task<Answer> describe_object(Call& call) {
  RAMET_CO_ASSIGN(const DescribeFields fields, DescribeFields::parse(call.input));
  RAMET_CO_ASSIGN(const auto hint, call.in().text("project"));
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const ObjectRef object, call.subject_object());
    RAMET_ASSIGN(const Located found, call.locate(object, hint, AccessLevel::kView));
    return located_json(call, found, fields);
  });
}

Task<Answer> rename_object(Call& call) {
  RAMET_CO_ASSIGN(const std::string name, call.in().some_text("name"));
  co_return co_await edit_named(
      call, [&](Transaction& transaction, const View&, ObjectInfo& info) -> Outcome<void> {
        RAMET_TRY(transaction.place_object(info.id, info.folder, name));
        return {};
      });
}

Task<Answer> set_properties(Call& call) {
  RAMET_CO_ASSIGN(const Json* const properties, properties_input(call.in(), true));
  if (properties == nullptr) co_return wrong_type("properties", "a hash");
  co_return co_await edit_named(
      call, [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
        for (const auto& [name, value] : properties->items()) {
          if (value.is_null()) {
            std::erase_if(info.metadata.properties,
                          [&, key = std::string_view(name)](const Property& one) {
                            return one.name == key;
                          });
          } else {
            set_property(info.metadata, name, value.get<std::string>());
          }
        }
        return {};
      });
}

Task<Answer> add_tags(Call& call) {
  RAMET_CO_ASSIGN(const std::vector<std::string> tags, texts_input(call.in(), "tags"));
  co_return co_await edit_named(call,
                                [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
                                  add_once(info.metadata.tags, tags);
                                  return {};
                                });
}

Task<Answer> remove_tags(Call& call) {
  RAMET_CO_ASSIGN(const std::vector<std::string> tags, texts_input(call.in(), "tags"));
  co_return co_await edit_named(call,
                                [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
                                  remove_all(info.metadata.tags, tags);
                                  return {};
                                });
}

Task<Answer> add_types(Call& call) {
  RAMET_CO_ASSIGN(const std::vector<std::string> types, texts_input(call.in(), "types"));
  co_return co_await edit_open(call,
                               [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
                                 add_once(info.metadata.types, types);
                                 return {};
                               });
}

Task<Answer> remove_types(Call& call) {
  RAMET_CO_ASSIGN(const std::vector<std::string> types, texts_input(call.in(), "types"));
  co_return co_await edit_open(call,
                               [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
                                 remove_all(info.metadata.types, types);
                                 return {};
                               });
}

Task<Answer> set_visibility(Call& call) {
  if (!call.in().has("hidden")) co_return wrong_type("hidden", "a boolean");
  RAMET_CO_ASSIGN(const bool hidden, call.in().flag("hidden", false));
  co_return co_await edit_open(call,
                               [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
                                 info.standing.hidden = hidden;
                                 return {};
                               });
}

Task<Answer> set_details(Call& call) {
  co_return co_await edit_open(
      call, [&](Transaction& transaction, const View& view, ObjectInfo& info) -> Outcome<void> {
        // (Links that are not of the details stay.)
        RAMET_ASSIGN(const std::string before, details_of(view, info));
        std::vector<ObjectLink> others = info.standing.links;
        auto of_details = links_in(parse_kept(before));
        if (of_details.ok()) {
          for (const Link& link : *of_details) std::erase(others, link.link);
        }
        return put_details(transaction, view, info, call.input, others);
      });
}

Task<Answer> get_details(Call& call) {
  RAMET_CO_ASSIGN(const auto hint, call.in().text("project"));
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const ObjectRef object, call.subject_object());
    RAMET_ASSIGN(const Located found, call.locate(object, hint, AccessLevel::kView));
    RAMET_ASSIGN(const std::string text, details_of(*found.view, found.info));
    return parse_kept(text);
  });
}

// Of what is no file. Nothing happens to what is closed already.
Task<Answer> close_object(Call& call) {
  const auto look = [&] { return call.locate_open(true); };
  RAMET_CO_ASSIGN(const Located found, co_await call.quick(look));
  if (found.info.standing.state == ObjectState::kClosed) co_return subject_json(call);
  RAMET_CO_TRY(co_await edit_object(
      call, found, [&](Transaction&, const View&, ObjectInfo& info) -> Outcome<void> {
        info.standing.state = ObjectState::kClosed;
        return {};
      }));
  co_return subject_json(call);
}

}  // namespace ramet::serve::dnanexus
