// (on the way: what the headers promise and is not there yet)
#include "engine/container/transaction_impl.h"
#include "engine/container/view_impl.h"
#include "engine/content/content_writer.h"
#include "engine/store_impl.h"

namespace ramet::engine {
namespace {
Error missing() { return {ErrorCode::kUnsupported, "not there yet"}; }
}  // namespace

Status ViewImpl::list_from(FolderId, std::string_view, std::string_view,
                           const std::function<bool(const Entry&)>&) const { return missing(); }
Status ViewImpl::list_removed(FolderId, std::string_view, std::string_view,
                              const std::function<bool(const Entry&)>&) const { return missing(); }
Status ViewImpl::versions(ObjectId, const std::function<bool(const VersionInfo&)>&) const {
  return missing();
}
Result<std::string> ViewImpl::document(std::string_view) const { return missing(); }
Result<std::vector<SharedBytes>> ViewImpl::read_shared(ObjectId, uint64_t, uint64_t,
                                                       VersionNumber) const { return missing(); }
Result<ObjectId> TransactionImpl::put_object(FolderId, std::string_view, const ObjectInit&,
                                             std::unique_ptr<ContentWriter>) { return missing(); }
Status TransactionImpl::set_metadata(ObjectId, const Metadata&, VersionNumber) { return missing(); }
Status TransactionImpl::set_lock(ObjectId, const ObjectLock&, VersionNumber, bool) {
  return missing();
}
Status TransactionImpl::remove_version(ObjectId, VersionNumber, bool) { return missing(); }
Status TransactionImpl::set_document(std::string_view, std::optional<std::string_view>) {
  return missing();
}
Status ContentWriterImpl::append_from(const View&, ObjectId, uint64_t, uint64_t, VersionNumber) {
  return missing();
}
}  // namespace ramet::engine
