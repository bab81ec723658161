#include <cstdio>

#include "admin/json.h"
#include "server/build.h"
#include "server/verb.h"

namespace outrider::server {

int show_version(const Arguments& arguments) {
  const admin::Build build = this_build();
  if (arguments.has("--json")) {
    admin::Json json;
    json.object().field("version", build.version).field("revision", build.revision).field("dht", OUTRIDER_DHT != 0);
    json.field("licence", kBinaryLicence).close();
    return std::fputs(json.take().c_str(), stdout), kOk;
  }
  std::printf("outrider %s (%s)\nregistry: %s\nlicence of this binary: %s\n", build.version.c_str(), build.revision.c_str(),
              OUTRIDER_DHT ? "DHT" : "none (built without OpenDHT)", kBinaryLicence);
  return kOk;
}

}  // namespace outrider::server
