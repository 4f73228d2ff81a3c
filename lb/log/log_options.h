// The `log` section of the configuration as the Log takes it. Pure.
#pragma once

#include "config/config.h"
#include "lb/log/log.h"

namespace vipward {

inline Log::Options log_options(const LogConfig& config) {
  Log::Options options;
  options.format = config.json ? LogFormat::Json : LogFormat::Text;
  switch (config.level) {
    case LogLevelConfig::Debug:
      options.level = LogLevel::Debug;
      break;
    case LogLevelConfig::Info:
      options.level = LogLevel::Info;
      break;
    case LogLevelConfig::Warn:
      options.level = LogLevel::Warn;
      break;
    case LogLevelConfig::Error:
      options.level = LogLevel::Error;
      break;
  }
  return options;
}

}  // namespace vipward
