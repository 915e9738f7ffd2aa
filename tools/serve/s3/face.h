// The S3 face: who asks, what for, may they, and then the operation (ops_*.cc). It keeps nothing of
// its own but caches; everything is in the store.
//
// Of a bucket, in the container's documents: "s3.policy", "s3.cors", "s3.lifecycle", "s3.tagging",
// "s3.object-lock", "s3.owner". Uploads that are under way stand in the container ".uploads":
//   /staging/ID            content of a long single put, until it is shared into its bucket
//   /parts/CONTAINER/ID/   a multipart upload: "record", and "00001", "00002", ... of its parts
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/function_ref.h"
#include "tools/serve/answer_cache.h"
#include "tools/serve/login_limiter.h"
#include "tools/serve/s3/cors.h"
#include "tools/serve/s3/operations.h"
#include "tools/serve/s3/payload.h"
#include "tools/serve/s3/policy.h"
#include "tools/serve/s3/sigv4.h"
#include "tools/serve/services.h"
#include "tools/serve/staging.h"

namespace ramet::serve::s3 {

inline constexpr std::string_view kPolicyDocument = "s3.policy";
inline constexpr std::string_view kCorsDocument = "s3.cors";
inline constexpr std::string_view kLifecycleDocument = "s3.lifecycle";
inline constexpr std::string_view kTaggingDocument = "s3.tagging";
inline constexpr std::string_view kObjectLockDocument = "s3.object-lock";
inline constexpr std::string_view kOwnerDocument = "s3.owner";
// Bodies up to this are one transaction that can be begun again.
inline constexpr size_t kSmallBody = 1u << 20;

// One request while it is served.
struct Call {
  Call(Request& request_in, Body& body_in) : request(request_in), body(body_in) {}

  Request& request;
  Body& body;
  QueryParams params;
  Target target;
  const Operation* operation = nullptr;
  std::optional<Claim> claim;
  Bytes signing_key;
  Caller caller;
  ContainerInfo container;
  std::shared_ptr<const View> view;  // of the bucket, when it was asked who may what
  AccessLevel level = AccessLevel::kNone;  // on the bucket
  Verdict verdict = Verdict::kNone;        // of its policy, for this operation and key
  int64_t now = 0;

  // The value of a parameter; null if there is none.
  const std::string* param(std::string_view name) const;
  std::string param_or(std::string_view name, std::string_view otherwise) const;
  std::string_view header(std::string_view name) const { return request.fields.get(name); }
  bool has_header(std::string_view name) const { return request.fields.find(name).has_value(); }
  // Whether what takes this level may be done here.
  bool may(AccessLevel needed) const {
    return verdict != Verdict::kDeny && (level >= needed || verdict == Verdict::kAllow);
  }
};

// Content that waits to get a name: bytes, or an object of ".uploads".
struct Content {
  std::string bytes;
  std::optional<ObjectId> staged;
  std::string staged_name;
  uint64_t size = 0;
  Checked checked;
};

class S3Face : public Face {
 public:
  explicit S3Face(Services& services);
  ~S3Face() override;
  Task<Response> handle(Request& request, Body& body) override;

 private:
  using Attempt = FunctionRef<Outcome<void>(Transaction&, const View&)>;

  // --- face.cc: the way in ----------------------------------------------------------------------
  Task<Outcome<Response>> serve(Call& call);
  // Answers from memory where that is right, else by dispatch().
  Task<Outcome<Response>> answer(Call& call);
  Task<Outcome<Response>> dispatch(Call& call);
  Outcome<void> authenticate(Call& call);
  // The key that a claim names; SlowDown for those who must wait since they were wrong too often.
  Outcome<AccessControl::KeyCaller> find_access_key(const Call& call);
  // Passes on what a signature's check found, and notes it.
  Outcome<void> note_login(const Call& call, Outcome<void> checked);
  Outcome<void> authorize(Call& call);
  // The verdict of a bucket's policy.
  Outcome<Verdict> ask_policy(const Call& call, const View& view, std::string_view bucket,
                              std::string_view action, std::string_view resource);
  // NoSuchBucket, or AccessDenied for those who may not know.
  Fault no_bucket(const Call& call) const;
  // Another bucket that the caller may read `resource` of.
  Outcome<ContainerInfo> open_bucket(const Call& call, const std::string& bucket,
                                     std::string_view action, std::string_view resource);
  Outcome<void> add_cors(const Call& call, Response& response);
  Response fault_response(const Call& call, const Fault& fault) const;

  // --- face_store.cc: the engine ----------------------------------------------------------------
  // A read-only piece of work that gives an answer.
  Task<Outcome<Response>> quick(FunctionRef<Outcome<Response>()> work);
  // The same for what has to wait.
  Task<Outcome<Response>> slow(FunctionRef<Outcome<Response>()> work);
  // Runs `attempt` on new transactions until one commits. What it notes must begin anew each time.
  Task<Outcome<Sequence>> change(ContainerId container, Attempt attempt);
  Task<Outcome<Response>> change_document(Call& call, std::string_view name,
                                          std::optional<std::string> text, int status);
  Outcome<std::optional<std::string>> document(ContainerId container, std::string_view name);
  static Outcome<std::optional<std::string>> document(const View& view, std::string_view name);
  // The head, or what x-ramet-as-of asks for.
  Outcome<std::shared_ptr<const View>> view_of(const Call& call);
  bool keeps_versions(const ContainerInfo& container);
  Outcome<std::string> versioning(const ContainerInfo& container);
  Outcome<ContainerId> uploads();
  void remove_old_staging();
  Principal owner_of(ContainerId container);

  // --- content.cc: bodies on their way in -------------------------------------------------------
  Task<Outcome<Content>> receive(Call& call, Payload& payload);
  // Appends what is left of a payload, `first` before it.
  Task<Outcome<void>> ingest(Payload& payload, std::string first, ContentWriter& writer);
  Task<void> forget(Content& content);
  // A writer with the content; null for none.
  Outcome<std::unique_ptr<ContentWriter>> write(Transaction& transaction, const Content& content);

  // --- operations -------------------------------------------------------------------------------
  Outcome<Response> list_buckets(Call& call);
  Task<Outcome<Response>> preflight(Call& call);
  Task<Outcome<Response>> create_bucket(Call& call);
  Task<Outcome<Response>> delete_bucket(Call& call);
  Outcome<Response> get_location(Call& call);
  Outcome<Response> get_versioning(Call& call);
  Task<Outcome<Response>> put_versioning(Call& call);
  Outcome<Response> get_bucket_acl(Call& call);
  Task<Outcome<Response>> put_bucket_acl(Call& call);
  Outcome<void> apply_acl(const Call& call, ContainerId container, std::string_view canned,
                          std::string_view xml);
  Outcome<Response> get_document(Call& call, std::string_view name, Code missing);
  Task<Outcome<Response>> put_document(Call& call);
  Outcome<Response> get_policy_status(Call& call);
  Outcome<Response> get_fixed(Call& call);
  Outcome<Response> get_object_lock(Call& call);
  Task<Outcome<Response>> put_object_lock(Call& call);

  Outcome<Response> list_objects(Call& call, bool second);
  Outcome<Response> list_versions(Call& call);
  Outcome<Response> list_changes(Call& call);
  Outcome<Response> list_uploads(Call& call);

  struct Found {
    std::shared_ptr<const View> view;
    bool folder = false;  // of a tree: a key of no bytes
    ObjectInfo info;
    bool versions = false;  // they were kept when it was made
  };
  Outcome<Found> find_object(Call& call);
  Outcome<Response> get_object(Call& call);
  Outcome<Response> get_attributes(Call& call);
  Outcome<Response> get_tagging(Call& call);
  Outcome<Response> get_object_acl(Call& call);
  Outcome<Response> get_retention(Call& call);
  Outcome<Response> get_legal_hold(Call& call);
  // Changes an object's version that the request names.
  Task<Outcome<Response>> change_object(
      Call& call, int status,
      FunctionRef<Outcome<void>(Transaction&, const ObjectInfo&, VersionNumber)> body);
  Task<Outcome<Response>> put_tagging(Call& call);
  Task<Outcome<Response>> delete_tagging(Call& call);
  Task<Outcome<Response>> put_object_acl(Call& call);
  Task<Outcome<Response>> put_retention(Call& call);
  Task<Outcome<Response>> put_legal_hold(Call& call);

  // What is about to be put under a key, and what of it the answer tells.
  struct Put {
    std::string key;
    ObjectInit init;
    bool lock_asked = false;
    std::string if_match;       // empty: no condition
    bool if_none_match = false;
    // Filled by put_into().
    std::string etag;
    std::string version;
  };
  Outcome<Put> prepare_put(Call& call, const Fields& fields, const std::string& key);
  Outcome<void> put_into(const Call& call, Transaction& transaction, bool flat, Put& put,
                         std::unique_ptr<ContentWriter> content);
  Outcome<void> default_lock(const Call& call, Put& put);
  Task<Outcome<Response>> put_object(Call& call);
  Task<Outcome<Response>> put_content(Call& call, Put put, Content content);
  Task<Outcome<Response>> copy_object(Call& call);
  struct Source {
    ContainerInfo container;
    Target target;
    std::string version;
  };
  Outcome<Source> open_source(Call& call);
  Outcome<ObjectInfo> find_source(const Call& call, const View& view, const Source& source);
  Task<Outcome<Response>> delete_object(Call& call);
  Task<Outcome<Response>> delete_objects(Call& call);
  Outcome<void> check_removal(const Call& call, std::string_view key, bool version);
  struct Removal {
    std::string key;
    std::string version;  // empty: the current one
    bool marker = false;          // a deletion was made, or the version was one
    std::string marker_version;
    std::optional<Fault> fault;
  };
  // `kept`: whether versions are.
  Outcome<void> remove_one(Call& call, Transaction& transaction, const View& view, bool kept,
                           Removal& removal);
  void find_marker(const Call& call, Removal& removal);
  Task<Outcome<Response>> post_object(Call& call);

  Task<Outcome<Response>> create_upload(Call& call);
  Task<Outcome<Response>> upload_part(Call& call);
  Task<Outcome<Response>> upload_part_copy(Call& call);
  Task<Outcome<Response>> complete_upload(Call& call);
  Task<Outcome<Response>> abort_upload(Call& call);
  Outcome<Response> list_parts(Call& call);

  Services& services_;
  AnswerCache kept_;
  SigningKeys signing_keys_;
  LoginLimiter limiter_;
  std::mutex mutex_;
  std::optional<ContainerId> uploads_;
  std::unordered_map<std::string, std::shared_ptr<const Policy>> policies_;  // by their text
};

// A key of the listing, as encoding-type asks for it.
std::string encoded(const Call& call, std::string_view text);
// max-keys and the like: InvalidArgument.
Outcome<size_t> count_param(const Call& call, std::string_view name, size_t most);
Response xml_response(std::string xml, int status = 200);

}  // namespace ramet::serve::s3
