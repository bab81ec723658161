#include "server/build.h"

namespace outrider::server {

// The only file that knows the revision: a commit makes nothing else anew.
admin::Build this_build() { return {OUTRIDER_VERSION, OUTRIDER_REVISION}; }

}  // namespace outrider::server
