#include "lb/log/log.h"

#include <pthread.h>
#include <signal.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <thread>

#include "lb/log/fd_writer.h"
#include "lb/log/format.h"

namespace vipward {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kCloseTime{1};
constexpr std::chrono::seconds kDropReportInterval{1};

// Signals are the other threads' business: one that lands here could not be held back by who handles it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

// Its thread inherits the mask.
std::shared_ptr<spdlog::details::thread_pool> make_pool(std::size_t queue_lines) {
  const SignalsBlocked blocked;
  return std::make_shared<spdlog::details::thread_pool>(std::max<std::size_t>(queue_lines, 1), 1);
}

}  // namespace

// spdlog's queue and thread, and behind them the writer. The lines arrive formatted: spdlog carries them.
class Log::Sink {
 public:
  explicit Sink(const Options& options)
      : format_(options.format),
        pool_(make_pool(options.queue_lines)),
        lines_(std::make_shared<Lines>(options, *pool_)),
        logger_(std::make_shared<spdlog::async_logger>("vipward", lines_, pool_,
                                                       spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_level(spdlog::level::trace);
    // The default handler prints to stderr, which may block.
    logger_->set_error_handler([](const std::string&) {});
  }

  ~Sink() {
    lines_->writer.close_by(SteadyClock::now() + kCloseTime);
    // The pool first: its thread must not be the one that frees the logger (the library is not built for
    // TSan).
    pool_.reset();  // joins the thread once the queue is written or dropped
  }

  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) {
    const std::string line = format_log_line(format_, std::chrono::system_clock::now(), level, event, fields);
    ++submitted_;
    logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

  std::uint64_t dropped() const { return lines_->dropped(); }
  bool has_settled() const { return lines_->written + lines_->pool.overrun_counter() >= submitted_; }

 private:
  // The consumer's end: `log` is called on the pool's thread alone.
  struct Lines final : spdlog::sinks::sink {
    Lines(const Options& options, spdlog::details::thread_pool& queue)
        : format(options.format),
          reports_drops(options.level <= LogLevel::Warn),
          pool(queue),
          writer(options.fd) {}

    void log(const spdlog::details::log_msg& message) override {
      if (reports_drops) report_drops();
      writer.write({message.payload.data(), message.payload.size()});
      ++written;
    }
    void flush() override {}
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

    std::uint64_t dropped() const { return pool.overrun_counter() + writer.dropped(); }

    // A gap in the log says so where it is, at most once a second.
    void report_drops() {
      const std::uint64_t total = dropped();
      const auto now = SteadyClock::now();
      if (total == reported || now - reported_at < kDropReportInterval) return;
      const std::array fields{LogField("count", total - reported)};
      reported = total;
      reported_at = now;
      writer.write(format_log_line(format, std::chrono::system_clock::now(), LogLevel::Warn,
                                   "log lines dropped", fields));
    }

    const LogFormat format;
    const bool reports_drops;
    spdlog::details::thread_pool& pool;  // outlives its own thread, and with it every call to `log`
    FdWriter writer;
    std::atomic<std::uint64_t> written{0};  // lines, or thrown away by the writer
    std::uint64_t reported = 0;
    SteadyClock::time_point reported_at{};
  };

  LogFormat format_;
  std::atomic<std::uint64_t> submitted_{0};
  std::shared_ptr<spdlog::details::thread_pool> pool_;  // spdlog wants a shared one; this alone owns it
  std::shared_ptr<Lines> lines_;                        // owners: this and the logger
  std::shared_ptr<spdlog::async_logger> logger_;        // owners: this and the lines in the queue
};

Log::Log(Options options) : level_(options.level), sink_(std::make_unique<Sink>(options)) {}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (enabled(level)) sink_->write(level, event, {fields.begin(), fields.size()});
}

void Log::write(LogLevel level, std::string_view event, std::span<const LogField> fields) {
  if (enabled(level)) sink_->write(level, event, fields);
}

void Log::settle(std::chrono::milliseconds limit) const {
  const auto until = SteadyClock::now() + limit;
  while (!sink_->has_settled() && SteadyClock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

std::uint64_t Log::dropped() const {
  return sink_->dropped();
}

}  // namespace vipward
