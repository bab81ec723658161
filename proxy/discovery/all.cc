#include "discovery/all.h"

#if OUTRIDER_DHT
#include "discovery/dht/dht_registry.h"
#endif

namespace outrider::discovery {

#if OUTRIDER_DHT
std::unique_ptr<MeshRegistry> make_dht_registry(net::Loop& control, DhtOptions options, DhtEvents& events, std::string&) {
  return std::make_unique<DhtRegistry>(control, std::move(options), events);
}
#else
std::unique_ptr<MeshRegistry> make_dht_registry(net::Loop&, DhtOptions, DhtEvents&, std::string& why) {
  why = "this program was built without the DHT (OUTRIDER_DHT=OFF)";
  return nullptr;
}
#endif

}  // namespace outrider::discovery
