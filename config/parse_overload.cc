// What is done at once, what waits, and what is refused where there is too much of it.

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_priority_field(std::string& text) {
  if (is_off(text)) return text = "off", "";
  constexpr std::string_view kHeader = "header.";
  return text.starts_with(kHeader) && is_token(std::string_view(text).substr(kHeader.size()))
             ? ""
             : "expected header.NAME or off, got \"" + text + "\"";
}

}  // namespace

void read_admission(Fields& fields, Service& service) {
  using Concurrency = Service::Concurrency;
  const Node* value = fields.hand("concurrency", "auto, off or number", "off");
  if (fields.reading().catalog) fields.reading().catalog->back().range = {1, 1'000'000};
  fields.keep("concurrency", value ? *value : Node::scalar("off"));
  const std::string text = value && value->is_scalar() ? value->text() : "";
  if (const auto number = parse_number(text); number && *number >= 1 && *number <= 1'000'000) {
    service.concurrency = Concurrency::Number;
    service.concurrency_number = uint32_t(*number);
  } else if (text == "auto") {
    service.concurrency = Concurrency::Auto;
  } else if (value && !is_off(text)) {
    fields.error(
        "concurrency", *value,
        "expected auto, off or a number from 1 to 1000000, got " + kind_of(*value) + did_you_mean(text, {"auto", "off"}));
  }
  if (!fields.off("admission", !fields.given("admission"))) {
    Fields admission = fields.map("admission");
    service.success_rate = 0.95;
    admission.share("success_rate", service.success_rate);
    if (service.success_rate == 0)
      admission.error("success_rate", *admission.given("success_rate"), "expected more than 0%; admission: off asks for nothing");
  }
  Fields queue = fields.map("queue");
  queue.number("max", service.queue_max, 0, 1'000'000);
  queue.duration("timeout", service.queue_timeout, milliseconds(1), seconds(600));
  queue.text("priority", service.queue_priority, "header.NAME or off", check_priority_field);
  Fields capacity = fields.map("capacity");
  capacity.number_or_auto("slots", service.slots, 1, 1'000'000);
  capacity.later("cpu", {}, {"auto"});
  capacity.later("memory", {}, {"auto"});
}

void read_overload(Fields& top, Overload& overload) {
  Fields fields = top.map("overload");
  fields.number_or_auto("threads", overload.threads, 1, 256);
  if (fields.off("memory", false)) {
    overload.memory = 0;
  } else {
    fields.share("memory", overload.memory);
    if (overload.memory < 0.1 || overload.memory > 0.99)
      fields.error("memory", *fields.given("memory"), "expected 10% to 99%, or off");
  }
  fields.number("connections", overload.connections, 1);
  fields.duration("loop_lag", overload.loop_lag);
}

}  // namespace outrider::config
