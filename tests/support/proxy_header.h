#pragma once
// Headers of PROXY protocol from the far seats: what a balancer says, and what an endpoint hears.

#include <sys/socket.h>

#include <string>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "wire/proxy_protocol.h"

namespace outrider::test {

inline constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

inline std::string v1(const std::string& source, const std::string& destination = "198.51.100.7:443") {
  const wire::Relayed told{*net::Address::parse(source), *net::Address::parse(destination)};
  return wire::write_proxy_header(wire::ProxyProtocol::V1, &told);
}

inline std::string v2(const std::string& source, const std::string& destination = "198.51.100.7:443", wire::Relayed told = {}) {
  told.source = *net::Address::parse(source);
  told.destination = *net::Address::parse(destination);
  return wire::write_proxy_header(wire::ProxyProtocol::V2, &told);
}

// With any bytes in it.
inline std::string raw_v2(int command, int family, const std::string& rest) {
  return std::string(kSignature) + char(command) + char(family) + char(rest.size() >> 8) + char(rest.size()) + rest;
}

// The header that comes first on a connection, and not a byte more: what follows may be TLS. Absent where something else comes.
inline wire::ProxyHeader heard(Stream& connection) {
  wire::ProxyHeader header;
  char byte;
  for (std::string bytes; header.state == wire::ProxyHeader::State::Partial;) {
    if (!connection.await(60000) || ::recv(connection.fd(), &byte, 1, 0) != 1) break;
    header = wire::read_proxy_header(bytes += byte);
  }
  return header;
}

// Answers with whom it takes for the client.
inline std::unique_ptr<Origin> who_calls() {
  return Origin::answering(
      [](const Message& request) { return ok(request.field("x-forwarded-for") + " " + request.field("x-forwarded-proto")); });
}

// What comes back of these bytes.
inline std::string body_of(Stream& client, const std::string& bytes) {
  if (!client.send(bytes)) return "refused";
  const auto answer = client.read_message();
  return answer ? answer->body : "nothing";
}

inline void expect_headers(Proxy& proxy, const std::string& result, double count = 1) {
  proxy.expect_metric(count, "outrider_proxy_protocol_headers_total", "listener=\"edge\",result=\"" + result + "\"");
}

}  // namespace outrider::test
