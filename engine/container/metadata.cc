#include "engine/container/metadata.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "engine/container/reader.h"

namespace ramet {

const std::string* find_property(const Metadata& metadata, std::string_view name) {
  const auto at = std::lower_bound(
      metadata.properties.begin(), metadata.properties.end(), name,
      [](const Property& property, std::string_view wanted) { return property.name < wanted; });
  return at != metadata.properties.end() && at->name == name ? &at->value : nullptr;
}

void set_property(Metadata& metadata, std::string name, std::string value) {
  const auto at = std::lower_bound(
      metadata.properties.begin(), metadata.properties.end(), name,
      [](const Property& property, const std::string& wanted) { return property.name < wanted; });
  if (at != metadata.properties.end() && at->name == name) {
    at->value = std::move(value);
  } else {
    metadata.properties.insert(at, {std::move(name), std::move(value)});
  }
}

namespace engine {
namespace {

// What each text takes beside its bytes, about.
constexpr size_t kTextOverhead = 16;

size_t bytes_of(const Metadata& metadata) {
  size_t bytes = 0;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) bytes += text.size() + kTextOverhead;
  };
  add(metadata.media_type);
  add(metadata.details);
  for (const std::string& type : metadata.types) add(type);
  for (const std::string& tag : metadata.tags) add(tag);
  for (const Property& property : metadata.properties) {
    add(property.name);
    add(property.value);
  }
  return bytes;
}

std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

using TextList = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

fb::Id fb_id(const IdBytes& bytes) {
  fb::Id id;
  static_assert(sizeof id == sizeof bytes);
  std::memcpy(&id, bytes.data(), sizeof id);
  return id;
}

class TextReader {
 public:
  explicit TextReader(size_t bytes_max) : left_(bytes_max) {}

  // FlatBuffers lets many fields share one text; no writer does.
  bool take(const flatbuffers::String* text, std::string& into) {
    const size_t bytes = text == nullptr ? 0 : text->size();
    if (bytes > left_) return false;
    left_ -= bytes;
    into = text_of(text);
    return true;
  }
  bool take(const TextList* list, std::vector<std::string>& into) {
    if (list == nullptr) return true;
    for (const flatbuffers::String* text : *list) {
      into.emplace_back();
      if (!take(text, into.back())) return false;
    }
    return true;
  }

 private:
  size_t left_;
};

}  // namespace

MetadataFields encode_metadata(flatbuffers::FlatBufferBuilder& builder, const Metadata& metadata) {
  MetadataFields fields;
  const auto texts = [&](const std::vector<std::string>& list) {
    return list.empty() ? MetadataFields::Texts() : builder.CreateVectorOfStrings(list);
  };
  const auto text = [&](const std::string& value) {
    return value.empty() ? MetadataFields::Text() : builder.CreateString(value);
  };
  fields.media_type = text(metadata.media_type);
  fields.types = texts(metadata.types);
  fields.tags = texts(metadata.tags);
  fields.details = text(metadata.details);
  if (!metadata.properties.empty()) {
    std::vector<flatbuffers::Offset<fb::Property>> list;
    list.reserve(metadata.properties.size());
    for (const Property& property : metadata.properties) {
      const auto name = builder.CreateString(property.name);
      const auto value = builder.CreateString(property.value);
      list.push_back(fb::CreateProperty(builder, name, value));
    }
    fields.properties = builder.CreateVector(list);
  }
  return fields;
}

void add_metadata(fb::ObjectBuilder& table, const MetadataFields& fields) {
  if (!fields.media_type.IsNull()) table.add_media_type(fields.media_type);
  if (!fields.tags.IsNull()) table.add_tags(fields.tags);
  if (!fields.types.IsNull()) table.add_types(fields.types);
  if (!fields.properties.IsNull()) table.add_properties(fields.properties);
  if (!fields.details.IsNull()) table.add_details(fields.details);
}

Status decode_metadata(const fb::Object& table, size_t bytes_max, Metadata& metadata) {
  TextReader reader(bytes_max);
  bool fits = reader.take(table.media_type(), metadata.media_type) &&
              reader.take(table.tags(), metadata.tags) &&
              reader.take(table.types(), metadata.types) &&
              reader.take(table.details(), metadata.details);
  if (fits && table.properties() != nullptr) {
    for (const fb::Property* property : *table.properties()) {
      Property& into = metadata.properties.emplace_back();
      fits = fits && reader.take(property->name(), into.name) &&
             reader.take(property->value(), into.value);
    }
  }
  return fits ? ok() : Status(Error(ErrorCode::kCorruption, "malformed metadata of an object"));
}

DocumentFields encode_documents(flatbuffers::FlatBufferBuilder& builder,
                                const std::vector<ObjectDocument>& documents) {
  if (documents.empty()) return 0;
  std::vector<flatbuffers::Offset<fb::ObjectDocument>> list;
  list.reserve(documents.size());
  for (const ObjectDocument& document : documents) {
    const auto name = builder.CreateString(document.name);
    list.push_back(fb::CreateObjectDocument(builder, name, document.size));
  }
  return builder.CreateVector(list);
}

Status decode_documents(const fb::Object& table, size_t bytes_max,
                        std::span<const BlockRef>& refs,
                        std::vector<ObjectDocument>& documents) {
  if (table.documents() == nullptr) return ok();
  const Error malformed(ErrorCode::kCorruption, "malformed documents of an object");
  if (table.documents()->size() > refs.size()) return malformed;
  const auto blocks = refs.last(table.documents()->size());
  refs = refs.first(refs.size() - blocks.size());
  TextReader reader(bytes_max);
  for (flatbuffers::uoffset_t i = 0; i < table.documents()->size(); ++i) {
    const fb::ObjectDocument* const from = table.documents()->Get(i);
    ObjectDocument& into = documents.emplace_back();
    if (!reader.take(from->name(), into.name)) return malformed;
    into.size = from->size();
    into.block = blocks[i];
  }
  return ok();
}

void add_lock(fb::ObjectBuilder& table, const ObjectLock& lock) {
  table.add_retain_until(lock.retain_until);
  table.add_retention_mode(static_cast<uint8_t>(lock.mode));
  table.add_legal_hold(lock.legal_hold);
}

ObjectLock decode_lock(const fb::Object& table) {
  ObjectLock lock;
  // Of a mode of a later version only the time is understood: then as strict as there is.
  lock.mode = table.retention_mode() <= 2 ? static_cast<RetentionMode>(table.retention_mode())
                                          : RetentionMode::kCompliance;
  lock.retain_until = table.retain_until();
  lock.legal_hold = table.legal_hold();
  return lock;
}

StandingFields encode_standing(flatbuffers::FlatBufferBuilder& builder, const Standing& standing) {
  StandingFields fields;
  if (!standing.title.empty()) fields.title = builder.CreateString(standing.title);
  if (standing.links.empty()) return fields;
  std::vector<flatbuffers::Offset<fb::Link>> list;
  list.reserve(standing.links.size());
  for (const ObjectLink& link : standing.links) {
    const fb::Id target = fb_id(link.target.bytes);
    const fb::Id container = fb_id(link.container.bytes);
    fb::LinkBuilder table(builder);
    table.add_target(&target);
    if (!link.container.is_null()) table.add_container(&container);
    table.add_required(link.required);
    list.push_back(table.Finish());
  }
  fields.links = builder.CreateVector(list);
  return fields;
}

void add_standing(fb::ObjectBuilder& table, const Standing& standing,
                  const StandingFields& fields) {
  table.add_state(static_cast<fb::ObjectState>(standing.state));
  table.add_clone_rule(static_cast<uint8_t>(standing.clone_rule));
  table.add_archival(static_cast<uint8_t>(standing.archival));
  if (!fields.title.IsNull()) table.add_title(fields.title);
  if (!fields.links.IsNull()) table.add_links(fields.links);
}

Status decode_standing(const fb::Object& table, size_t bytes_max, Standing& standing) {
  const Error malformed(ErrorCode::kCorruption, "malformed standing of an object");
  // What a later version says is taken for what lets the least happen.
  standing.state = table.state() <= fb::ObjectState::Closing
                       ? static_cast<ObjectState>(table.state())
                       : ObjectState::kOpen;
  standing.clone_rule = table.clone_rule() <= 2 ? static_cast<CloneRule>(table.clone_rule())
                                                : CloneRule::kNever;
  standing.archival = table.archival() <= 4 ? static_cast<Archival>(table.archival())
                                            : Archival::kArchiving;
  if (!TextReader(bytes_max).take(table.title(), standing.title)) return malformed;
  if (table.links() == nullptr) return ok();
  if (table.links()->size() > bytes_max / sizeof(fb::Id)) return malformed;
  for (const fb::Link* link : *table.links()) {
    if (link->target() == nullptr) return malformed;
    ObjectLink& into = standing.links.emplace_back();
    into.target = ObjectId::from_bytes(link->target());
    into.required = link->required();
    if (link->container() != nullptr) into.container = ContainerId::from_bytes(link->container());
  }
  return ok();
}

Status check_standing(const Standing& standing, std::string_view name) {
  const auto refuse = [&](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}': {}", printable(name), what));
  };
  if (standing.links.size() > kLinksMax) {
    return refuse(fmt::format("more than {} links to other objects", kLinksMax));
  }
  for (const ObjectLink& link : standing.links) {
    if (link.target.is_null()) return refuse("a link to no object");
  }
  if (standing.title.size() > kObjectTitleBytesMax) {
    return refuse(fmt::format("a title has at most {} bytes", kObjectTitleBytesMax));
  }
  return ok();
}

Status check_metadata(const Metadata& metadata, std::string_view name) {
  const size_t bytes = bytes_of(metadata);
  const auto refuse = [&](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}': {}", printable(name), what));
  };
  if (bytes > kMetadataBytesMax) {
    return refuse(fmt::format("{} bytes of metadata; at most {} are kept", bytes,
                              kMetadataBytesMax));
  }
  for (size_t i = 0; i < metadata.properties.size(); ++i) {
    const std::string& property = metadata.properties[i].name;
    if (property.empty()) return refuse("a property must have a name");
    if (i > 0 && !(metadata.properties[i - 1].name < property)) {
      return refuse(fmt::format("the property '{}' is there twice, or out of order",
                                printable(property)));
    }
  }
  return ok();
}

void drop_content_properties(Metadata& metadata) {
  std::erase_if(metadata.properties, [](const Property& property) {
    return property.name.starts_with(kContentProperty);
  });
}

void drop_content_documents(std::vector<ObjectDocument>& documents) {
  std::erase_if(documents, [](const ObjectDocument& document) {
    return document.name.starts_with(kContentProperty);
  });
}

}  // namespace engine
}  // namespace ramet
