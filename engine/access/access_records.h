// Records of access control between their FlatBuffers (format/access.fbs) and values. Pure; all
// decoders give kCorruption for malformed bytes, and for values of a later version that might mean
// more than this one would allow; they never crash [INV-8].
#pragma once

#include "engine/access.h"
#include "format/bytes.h"

namespace ramet::engine {

// Without the id, which is in the key.
Bytes encode_principal(const Principal& principal);
Result<Principal> decode_principal(ByteView bytes);
// Without the hash.
Bytes encode_token(const Token& token);
Result<Token> decode_token(ByteView bytes);
// Without the id.
Bytes encode_key_pair(const AccessKey& key);
Result<AccessKey> decode_key_pair(ByteView bytes);
// Requires: not kNone.
Bytes encode_grant(AccessLevel level);
Result<AccessLevel> decode_grant(ByteView bytes);
Bytes encode_container_access(const ContainerAccess& access);
Result<ContainerAccess> decode_container_access(ByteView bytes);
// Without the number.
Bytes encode_audit_entry(const AuditEntry& entry);
Result<AuditEntry> decode_audit_entry(ByteView bytes);

}  // namespace ramet::engine
