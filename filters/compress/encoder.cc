#include "filters/compress/encoder.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"

namespace outrider::filters {

namespace {

constexpr size_t kStep = 16 * 1024;              // of output at a time
constexpr int kZstdLevel = 3, kZstdWindow = 18;  // 256 KiB: more would be its memory
constexpr uint32_t kBrotliQuality = 4, kBrotliWindow = 18;
constexpr int kGzipLevel = 5, kGzipWindow = 15 + 16;  // 32 KiB; + 16: with gzip's head

// `step(in, in_size, out, out_size, last)`: writes on, moves in and out forward; false: broken. `last`: these are the last bytes
// of the piece, and all there is has to come out; it is called until it says `done`.
template <class Step>
bool rewrite(Buffer& data, bool end, Step step) {
  Buffer out(data.pool());
  do {
    const std::string_view in = data.front();
    const bool last = in.size() == data.size();
    const char* next = in.data();
    size_t left = in.size();
    for (bool done = false; !done;) {
      const std::span<char> room = out.reserve(kStep);
      size_t written = 0;
      if (!step(next, left, room, written, last, last && end, done)) return false;
      out.commit(written);
    }
    data.drop(in.size());
  } while (!data.empty());
  data = std::move(out);
  return true;
}

class GzipEncoder final : public Encoder {
 public:
  bool good() { return ready_ = ::deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK; }
  ~GzipEncoder() override {
    if (ready_) ::deflateEnd(&stream_);
  }
  bool encode(Buffer& data, bool end) override {
    return rewrite(
        data, end,
        [&](const char*& in, size_t& left, std::span<char> room, size_t& written, bool flush, bool finish, bool& done) {
          stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in));
          stream_.avail_in = uInt(left);
          stream_.next_out = reinterpret_cast<Bytef*>(room.data());
          stream_.avail_out = uInt(room.size());
          const int result = ::deflate(&stream_, finish ? Z_FINISH : flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
          in += left - stream_.avail_in;
          left = stream_.avail_in;
          written = room.size() - stream_.avail_out;
          done = finish ? result == Z_STREAM_END : left == 0 && stream_.avail_out > 0;
          return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
        });
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

class BrotliEncoder final : public Encoder {
 public:
  bool good() {
    return state_ && ::BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, kBrotliQuality) &&
           ::BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, kBrotliWindow);
  }
  ~BrotliEncoder() override { ::BrotliEncoderDestroyInstance(state_); }
  bool encode(Buffer& data, bool end) override {
    return rewrite(
        data, end,
        [&](const char*& in, size_t& left, std::span<char> room, size_t& written, bool flush, bool finish, bool& done) {
          auto* next_in = reinterpret_cast<const uint8_t*>(in);
          auto* next_out = reinterpret_cast<uint8_t*>(room.data());
          size_t available = room.size();
          const auto operation = finish ? BROTLI_OPERATION_FINISH : flush ? BROTLI_OPERATION_FLUSH : BROTLI_OPERATION_PROCESS;
          const size_t before = left;
          const bool good = ::BrotliEncoderCompressStream(state_, operation, &left, &next_in, &available, &next_out, nullptr);
          in += before - left;
          written = room.size() - available;
          done = left == 0 && !::BrotliEncoderHasMoreOutput(state_) && (!finish || ::BrotliEncoderIsFinished(state_));
          return good;
        });
  }

 private:
  BrotliEncoderState* const state_ = ::BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
};

class ZstdEncoder final : public Encoder {
 public:
  bool good() {
    return context_ && !::ZSTD_isError(::ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel)) &&
           !::ZSTD_isError(::ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, kZstdWindow));
  }
  ~ZstdEncoder() override { ::ZSTD_freeCCtx(context_); }
  bool encode(Buffer& data, bool end) override {
    return rewrite(
        data, end,
        [&](const char*& in, size_t& left, std::span<char> room, size_t& written, bool flush, bool finish, bool& done) {
          ZSTD_inBuffer from{in, left, 0};
          ZSTD_outBuffer to{room.data(), room.size(), 0};
          const auto operation = finish ? ZSTD_e_end : flush ? ZSTD_e_flush : ZSTD_e_continue;
          const size_t more = ::ZSTD_compressStream2(context_, &to, &from, operation);
          in += from.pos;
          left -= from.pos;
          written = to.pos;
          done = flush || finish ? more == 0 : left == 0;
          return !::ZSTD_isError(more);
        });
  }

 private:
  ZSTD_CCtx* const context_ = ::ZSTD_createCCtx();
};

template <class E>
std::unique_ptr<Encoder> made() {
  auto encoder = std::make_unique<E>();
  if (!encoder->good()) return nullptr;
  return encoder;
}

}  // namespace

const char* name_of(Coding coding) {
  switch (coding) {
    case Coding::Zstd: return "zstd";
    case Coding::Brotli: return "br";
    case Coding::Gzip: break;
  }
  return "gzip";
}

std::optional<Coding> coding_of(std::string_view name) {
  for (const Coding coding : kCodings)
    if (equals_ignore_case(name, name_of(coding))) return coding;
  return equals_ignore_case(name, "x-gzip") ? std::optional(Coding::Gzip) : std::nullopt;
}

std::unique_ptr<Encoder> Encoder::make(Coding coding) {
  switch (coding) {
    case Coding::Zstd: return made<ZstdEncoder>();
    case Coding::Brotli: return made<BrotliEncoder>();
    case Coding::Gzip: break;
  }
  return made<GzipEncoder>();
}

}  // namespace outrider::filters
