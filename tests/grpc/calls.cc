// The same service and calls in C++, by gRPC's own library and without a schema: messages are bytes.
//   calls serve      serves on a port of 127.0.0.1 and says which, then "call" and "cancelled" as they come; ends with its input
//   calls call PORT  makes every call and says what came of it, a line each

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

namespace {

using grpc::ByteBuffer;
using grpc::Status;
using grpc::StatusCode;

constexpr int kLargest = 64 << 20;
constexpr std::chrono::seconds kNoLimit{0};

ByteBuffer bytes_of(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

std::string text_of(const ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!bytes.Dump(&slices).ok()) return text;
  for (const auto& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

void say(const std::string& line) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::cout << line << std::endl;
}

// --- the server ------------------------------------------------------------------------------------------------------

// One call; deletes itself when it is over.
class Served final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Served(grpc::GenericCallbackServerContext& context) : context_(context), method_(context.method()) {
    if (is("Hold") || is("Count") || is("Sum") || is_talk()) say("call");
    if (!is("Echo") && !is("Fail") && !is("Hold") && !is("Count") && !is("Sum") && !is_talk())
      end(Status(StatusCode::UNIMPLEMENTED, "not served"));
    else StartRead(&in_);
  }

 private:
  bool is(const char* name) const { return method_ == std::string("/test.Calls/") + name; }
  bool is_talk() const { return is("Talk") || is("Linger"); }

  void OnReadDone(bool ok) override {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    if (ok) take(text_of(in_));
    else read_all_ = true, finish_if_all_is_said();
    if (ok && !ended_) StartRead(&in_);
  }

  void take(const std::string& message) {
    if (is("Echo")) return echo(message);
    if (is("Fail")) {
      const auto code = context_.client_metadata().find("code");
      context_.AddTrailingMetadata("x-why", "asked for");
      return end(Status(StatusCode(std::stoi(std::string(code->second.data(), code->second.size()))), message));
    }
    if (is_talk() && message == "abort") return end(Status(StatusCode::ABORTED, "as you wish"));
    if (is_talk()) said_.push_back(message);
    if (is("Count"))
      for (int i = 0; i < std::stoi(message); ++i) said_.push_back(std::to_string(i));
    if (is("Sum")) ++messages_, sum_ += message.size();
    write_next();
  }

  void echo(const std::string& message) {
    for (const char* name : {"x-text", "x-bytes-bin"}) {
      const auto found = context_.client_metadata().find(name);
      if (found == context_.client_metadata().end()) continue;
      const std::string value(found->second.data(), found->second.size());
      context_.AddInitialMetadata(name, value);
      context_.AddTrailingMetadata(std::string("trailing-") + name, value);
    }
    ended_ = true;
    out_ = bytes_of(message);
    StartWriteAndFinish(&out_, {}, Status::OK);
  }

  void write_next() {
    if (writing_ || said_.empty() || ended_) return;
    writing_ = true;
    out_ = bytes_of(said_.front());
    said_.pop_front();
    StartWrite(&out_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) return;
    write_next();
    finish_if_all_is_said();
  }

  void finish_if_all_is_said() {
    if (!read_all_ || writing_ || !said_.empty() || ended_ || is("Hold") || is("Linger")) return;
    if (!is("Sum")) return end(Status::OK);
    ended_ = true;
    out_ = bytes_of(std::to_string(messages_) + " messages, " + std::to_string(sum_) + " bytes");
    StartWriteAndFinish(&out_, {}, Status::OK);
  }

  void OnCancel() override {
    std::lock_guard lock(mutex_);
    if (!ended_) end(Status::CANCELLED);
  }

  void end(const Status& status) {
    ended_ = true;
    Finish(status);
  }

  void OnDone() override {
    if (context_.IsCancelled()) say("cancelled");
    delete this;
  }

  grpc::GenericCallbackServerContext& context_;
  const std::string method_;
  std::mutex mutex_;
  ByteBuffer in_, out_;
  std::deque<std::string> said_;
  bool writing_ = false, read_all_ = false, ended_ = false;
  size_t messages_ = 0, sum_ = 0;
};

class Service final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Served(*context);
  }
};

int serve() {
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kLargest);
  builder.SetMaxSendMessageSize(kLargest);
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  say("port " + std::to_string(port));
  while (std::getchar() != EOF) {}
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

// --- the client ------------------------------------------------------------------------------------------------------

// A call of whatever kind, message by message.
class Call final : public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
 public:
  using Each = std::function<void(Call&, const std::string& message)>;
  Call(grpc::GenericStub& stub, const std::string& method, Each each = {}, std::chrono::seconds limit = kNoLimit)
      : each_(std::move(each)) {
    if (limit != kNoLimit) context.set_deadline(std::chrono::system_clock::now() + limit);
    stub.PrepareBidiStreamingCall(&context, "/test.Calls/" + method, {}, this);
    AddHold();  // until wait(): writes may come from outside
  }
  void start() {
    StartRead(&in_);
    StartCall();
  }
  void write(const std::string& message) {
    std::lock_guard lock(mutex_);
    said_.push_back(message);
    write_next();
  }
  void end() {
    std::lock_guard lock(mutex_);
    ends_ = true;
    write_next();
  }
  Status wait() {
    RemoveHold();
    return over_.get_future().get();
  }
  std::string first() const { return messages.empty() ? "(none)" : messages[0]; }
  grpc::ClientContext context;
  std::vector<std::string> messages;

 private:
  void write_next() {
    if (writing_) return;
    if (!said_.empty()) {
      writing_ = true;
      out_ = bytes_of(said_.front());
      said_.pop_front();
      return StartWrite(&out_);
    }
    if (ends_ && !ended_) {
      ended_ = true;
      StartWritesDone();
    }
  }
  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) write_next();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    messages.push_back(text_of(in_));
    if (each_) each_(*this, messages.back());
    StartRead(&in_);
  }
  void OnDone(const Status& status) override { over_.set_value(status); }
  Each each_;
  std::mutex mutex_;
  ByteBuffer in_, out_;
  std::deque<std::string> said_;
  bool writing_ = false, ends_ = false, ended_ = false;
  std::promise<Status> over_;
};

std::string text_of(const Status& status) {
  return std::to_string(status.error_code()) +
         (status.error_code() == StatusCode::DEADLINE_EXCEEDED ? "" : " " + status.error_message());
}

std::string text_of(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata, const char* name) {
  const auto found = metadata.find(name);
  return found == metadata.end() ? "(none)" : std::string(found->second.data(), found->second.size());
}

struct Client {
  explicit Client(const std::string& port)
      : stub([&] {
          grpc::ChannelArguments arguments;
          arguments.SetMaxReceiveMessageSize(kLargest);
          arguments.SetMaxSendMessageSize(kLargest);
          arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
          return grpc::CreateCustomChannel("127.0.0.1:" + port, grpc::InsecureChannelCredentials(), arguments);
        }()) {}
  grpc::GenericStub stub;

  // One message there, then whatever comes.
  Status ask(Call& call, const std::string& message) {
    call.start();
    call.write(message);
    call.end();
    return call.wait();
  }

  void metadata() {
    Call call(stub, "Echo");
    std::string every;
    for (int i = 0; i < 256; ++i) every += char(i);
    call.context.AddMetadata("x-text", "some text");
    call.context.AddMetadata("x-bytes-bin", every);
    const Status end = ask(call, "hello");
    const auto& head = call.context.GetServerInitialMetadata();
    const auto& trailing = call.context.GetServerTrailingMetadata();
    say("unary, with metadata both ways: " + text_of(end) + " " + call.first() + " " + text_of(head, "x-text") + " " +
        (text_of(head, "x-bytes-bin") == every ? "equal" : "other") + " " + text_of(trailing, "trailing-x-text") + " " +
        (text_of(trailing, "trailing-x-bytes-bin") == every ? "equal" : "other"));
  }

  void statuses() {
    for (int code = 1; code <= 16; ++code) {
      Call call(stub, "Fail");
      call.context.AddMetadata("code", std::to_string(code));
      const Status end = ask(call, "100 % \xc3\xbc " + std::to_string(code));
      say("status " + std::to_string(code) + ": " + std::to_string(end.error_code()) + " " + end.error_message() + " " +
          text_of(call.context.GetServerTrailingMetadata(), "x-why"));
    }
    Call missing(stub, "Missing");
    say("a method that is not served: " + std::to_string(ask(missing, "x").error_code()));
  }

  void streams() {
    Call count(stub, "Count");
    const Status counted = ask(count, "3000");
    std::string all;
    for (const auto& message : count.messages) all += message + ",";
    say("a stream of the server: " + text_of(counted) + " " + std::to_string(count.messages.size()) + " " +
        std::to_string(std::hash<std::string>()(all)));
    Call sum(stub, "Sum");
    sum.start();
    for (int i = 0; i < 3000; ++i) sum.write(std::to_string(i));
    sum.end();
    const Status summed = sum.wait();
    say("a stream of the client: " + text_of(summed) + " " + sum.first());
    Call talk(stub, "Talk", [](Call& call, const std::string&) {
      if (call.messages.size() < 300) call.write(std::to_string(call.messages.size()));
      else call.end();
    });
    talk.start();
    talk.write("0");
    const Status talked = talk.wait();
    all.clear();
    for (const auto& message : talk.messages) all += message + ",";
    say("a conversation: " + text_of(talked) + " " + all);
  }

  void endings() {
    Call abort(stub, "Talk", [](Call& call, const std::string&) { call.write("abort"); });
    abort.start();
    abort.write("one");
    const Status aborted = abort.wait();
    say("a server that aborts: " + text_of(aborted) + " " + std::to_string(abort.messages.size()));
    Call cancel(stub, "Linger", [](Call& call, const std::string&) { call.context.TryCancel(); });
    cancel.start();
    cancel.write("one");
    say("a client that cancels: " + text_of(cancel.wait()));
    Call hold(stub, "Hold", {}, std::chrono::seconds(1));
    say("a deadline before any answer: " + text_of(ask(hold, "x")));
    Call late(stub, "Linger", {}, std::chrono::seconds(1));
    late.start();
    late.write("one");
    const Status passed = late.wait();
    say("a deadline in a conversation: " + text_of(passed));
  }

  void large() {
    std::string message(16 << 20, '\0');
    for (size_t i = 0; i < message.size(); ++i) message[i] = char(i * 2654435761u >> 16);
    Call call(stub, "Echo");
    const Status end = ask(call, message);
    say("a message of 16 MiB: " + text_of(end) + (call.first() == message ? " equal" : " other"));
  }

  void many() {
    std::vector<std::unique_ptr<Call>> calls;
    for (int i = 0; i < 1000; ++i) {
      calls.push_back(std::make_unique<Call>(stub, "Talk", [](Call& call, const std::string& message) {
        if (call.messages.size() < 3) call.write(message);
        else call.end();
      }));
      calls.back()->start();
      calls.back()->write(std::to_string(i));
    }
    size_t good = 0;
    for (size_t i = 0; i < calls.size(); ++i)
      good += calls[i]->wait().ok() && calls[i]->messages == std::vector<std::string>(3, std::to_string(i));
    say("1,000 conversations at a time: " + std::to_string(good));
  }
};

int call(const char* port) {
  Client client(port);
  client.metadata();
  client.statuses();
  client.streams();
  client.endings();
  client.large();
  client.many();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "serve") return serve();
  if (argc == 3 && std::string(argv[1]) == "call") return call(argv[2]);
  std::cerr << "calls serve | calls call PORT\n";
  return 2;
}
