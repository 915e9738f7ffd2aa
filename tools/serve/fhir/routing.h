// Which requests of the main port are the FHIR face's. Pure; thread-safe.
#pragma once

#include "tools/serve/http.h"

namespace ramet::serve::fhir {

// Paths below /fhir/R4, /oauth2, /auth and /admin/projects. (So no bucket of such a name is reached
// by path; by its own host it is.)
bool takes(const Request& request);

}  // namespace ramet::serve::fhir
