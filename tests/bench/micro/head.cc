// Heads: found, parsed and written.

#include <string>

#include "counted.h"
#include "http/h1_parser.h"
#include "http/h1_write.h"
#include "http/head_scan.h"

namespace outrider::http {
namespace {

const std::string kPlainRequest = "GET /s HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kBrowserRequest =
    "GET /catalogue/items/1234567?page=2&sort=price HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\nCache-Control: max-age=0\r\n"
    "Referer: https://shop.example.com/catalogue/items\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n";
const std::string kResponse =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/octet-stream\r\n"
    "Content-Length: 13\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: keep-alive\r\n"
    "ETag: \"65920080-d\"\r\nAccept-Ranges: bytes\r\n\r\n";
constexpr HeadScan::Limits kLimits{65536, 100, true};

void parse(benchmark::State& state, const std::string& text, HeadScan::Block block) {
  BlockPool pool;
  Arena arena;
  Buffer input(pool);
  HeadScan scan;
  const bool is_request = block == HeadScan::Block::Request;
  H1Parser parser(is_request);
  RequestHead request(arena);
  ResponseHead response(arena);
  bool good = true;
  const auto once = [&] {
    input.append(text);
    scan.begin(block);
    good &= scan.scan(input, kLimits) == HeadScan::State::Whole;
    const auto bytes = scan.copy(input, arena);
    Framing framing;
    good &= !(is_request ? parser.request(bytes, request, framing, false) : parser.response(bytes, response, framing));
    benchmark::DoNotOptimize(framing);
    request.clear();
    response.clear();
    arena.reset();
  };
  once();
  {
    bench::Counted counted(state);
    for (auto _ : state) once();
  }
  if (!good) state.SkipWithError("refused");
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
}

void parse_request(benchmark::State& state, const std::string& text) { parse(state, text, HeadScan::Block::Request); }
BENCHMARK_CAPTURE(parse_request, plain, kPlainRequest);
BENCHMARK_CAPTURE(parse_request, browser, kBrowserRequest);

void parse_response(benchmark::State& state) { parse(state, kResponse, HeadScan::Block::Response); }
BENCHMARK(parse_response);

void write_request(benchmark::State& state, const std::string& text) {
  BlockPool pool;
  Arena arena;
  RequestHead head(arena);
  Framing framing;
  if (H1Parser(true).request(text, head, framing, false)) return state.SkipWithError("refused");
  Buffer out(pool);
  const auto once = [&] {
    benchmark::DoNotOptimize(write_request(out, head, {}, true));
    out.clear();
  };
  once();
  bench::Counted counted(state);
  for (auto _ : state) once();
}
BENCHMARK_CAPTURE(write_request, plain, kPlainRequest);
BENCHMARK_CAPTURE(write_request, browser, kBrowserRequest);

void write_response(benchmark::State& state) {
  BlockPool pool;
  Arena arena;
  ResponseHead head(arena);
  Framing framing;
  if (H1Parser(false).response(kResponse, head, framing)) return state.SkipWithError("refused");
  Buffer out(pool);
  const auto once = [&] {
    ResponseShape shape;
    benchmark::DoNotOptimize(write_response(out, head, shape));
    out.clear();
  };
  once();
  bench::Counted counted(state);
  for (auto _ : state) once();
}
BENCHMARK(write_response);

}  // namespace
}  // namespace outrider::http
