// The handlers of the FHIR face, by where they are. Each is called with the login of who asks, but
// those of ops_auth.cc that say so.
#pragma once

#include "tools/serve/fhir/call.h"

namespace ramet::serve::fhir {

// ops_resource.cc
Outcome<Answer> create(Call& call);             // POST Type
Outcome<Answer> read(Call& call);               // GET Type/id
Outcome<Answer> update(Call& call);             // PUT Type/id
Outcome<Answer> conditional_update(Call& call); // PUT Type?query
Outcome<Answer> patch(Call& call);              // PATCH Type/id
Outcome<Answer> remove(Call& call);             // DELETE Type/id
// ops_history.cc
Outcome<Answer> history(Call& call);            // GET Type/id/_history
Outcome<Answer> read_version(Call& call);       // GET Type/id/_history/vid
// ops_search.cc
Outcome<Answer> search(Call& call);             // GET Type?query, POST Type/_search
// ops_batch.cc
Outcome<Answer> batch(Call& call);              // POST /
// ops_binary.cc: with the body as it comes
Task<Outcome<Answer>> write_binary(Call& call, Body& body);  // POST Binary, PUT Binary/id
Outcome<Answer> read_binary(Call& call);                     // GET Binary/id
// capability.cc
Outcome<Answer> capabilities(Call& call);       // GET metadata; without a login

// ops_auth.cc
Outcome<Answer> token(Call& call);              // POST /oauth2/token; without a login
Outcome<Answer> me(Call& call);                 // GET /auth/me
Outcome<Answer> userinfo(Call& call);           // GET, POST /oauth2/userinfo
// ops_admin.cc
Outcome<Answer> admin_project(Call& call);      // GET /admin/projects/:id
Outcome<Answer> admin_client(Call& call);       // POST /admin/projects/:id/client
Outcome<Answer> admin_bot(Call& call);          // POST /admin/projects/:id/bot
Outcome<Answer> admin_invite(Call& call);       // POST /admin/projects/:id/invite
Outcome<Answer> init_project(Call& call);       // POST Project/$init
Outcome<Answer> rotate_secret(Call& call);      // POST ClientApplication/:id/$rotate-secret
Outcome<Answer> expunge(Call& call);            // POST Type/:id/$expunge
// ops_clone.cc
Outcome<Answer> clone_project(Call& call);      // POST Project/:id/$clone
Outcome<Answer> job_status(Call& call);         // GET job/:id/status

}  // namespace ramet::serve::fhir
