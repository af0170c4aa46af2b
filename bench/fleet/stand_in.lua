-- What the ledger's functions call of Valkey, in LuaJIT: the books are tables of this process, the time is `clock_us`.

local ffi = require('ffi')
local row = ffi.new('double[256]')
local keys = {}
local commands = {}
clock_us = 0

struct = {}

-- Formats are '<' and so many 'd': doubles in the octet order of this machine, which is the little one.
function struct.pack(form, ...)
  local figures = { ... }
  for i = 1, #form - 1 do
    row[i - 1] = figures[i]
  end
  return ffi.string(row, 8 * (#form - 1))
end

function struct.unpack(form, packed, first)
  local count = #form - 1
  ffi.copy(row, ffi.cast('const char *', packed) + (first or 1) - 1, 8 * count)
  local figures = {}
  for i = 1, count do
    figures[i] = row[i - 1]
  end
  return unpack(figures, 1, count)
end

local function opened(key)
  local found = keys[key]
  if not found then
    found = {}
    keys[key] = found
  end
  return found
end

function commands.TIME()
  local seconds = math.floor(clock_us / 1000000)
  return { tostring(seconds), tostring(clock_us - seconds * 1000000) }
end

function commands.INFO()
  return '# Server\r\nrun_id:run1\r\n'
end

function commands.EXPIRE() end

function commands.GET(key)
  return keys[key] or false
end

function commands.SET(key, value)
  keys[key] = value
end

function commands.UNLINK(...)
  for _, key in ipairs({ ... }) do
    keys[key] = nil
  end
end

function commands.HGET(key, field)
  return opened(key)[field] or false
end

function commands.HMGET(key, ...)
  local held, found = opened(key), { ... }
  for i = 1, #found do
    found[i] = held[found[i]] or false
  end
  return found
end

function commands.HSET(key, ...)
  local held, pairs_ = opened(key), { ... }
  for i = 1, #pairs_, 2 do
    held[pairs_[i]] = pairs_[i + 1]
  end
end

function commands.HDEL(key, ...)
  local held = opened(key)
  for _, field in ipairs({ ... }) do
    held[field] = nil
  end
end

function commands.HRANDFIELD(key, count)
  local found = {}
  for field, value in pairs(opened(key)) do
    if #found >= 2 * count then
      break
    end
    found[#found + 1] = field
    found[#found + 1] = value
  end
  return found
end

-- A sorted set is a table beside the least of its scores, so that nothing is walked while nothing is due.
local sets = {}

local function set_of(key)
  local found = sets[key]
  if not found then
    found = { of = {}, least = math.huge }
    sets[key] = found
  end
  return found
end

function commands.ZADD(key, score, member)
  local set = set_of(key)
  set.of[member] = tonumber(score)
  set.least = math.min(set.least, set.of[member])
end

function commands.ZREM(key, member)
  set_of(key).of[member] = nil
end

function commands.ZRANGEBYSCORE(key, _, most, first, second, third, fourth)
  local set, limit, found, with = set_of(key), tonumber(most), {}, first == 'WITHSCORES'
  if set.least > limit then
    return found
  end
  set.least = math.huge
  for member, score in pairs(set.of) do
    set.least = math.min(set.least, score)
    if score <= limit then
      found[#found + 1] = member
    end
  end
  table.sort(found, function(a, b)
    return set.of[a] < set.of[b] or (set.of[a] == set.of[b] and a < b)
  end)
  local told = {}
  for i = 1, math.min(#found, tonumber(with and fourth or third)) do
    told[#told + 1] = found[i]
    if with then
      told[#told + 1] = string.format('%.17g', set.of[found[i]])
    end
  end
  return told
end

functions = {}
server = {
  call = function(name, ...)
    return commands[name](...)
  end,
  error_reply = function(told)
    return { err = told }
  end,
  register_function = function(named, callback)
    if type(named) == 'table' then
      functions[named.function_name] = named.callback
    else
      functions[named] = callback
    end
  end,
}
