-- What is kept, and how. All keys of one ledger begin with one hash tag, so they are in one slot of a cluster:
--   :system   the banks, the water, the clock          :users   hash: a User's account
--   :workers  hash: a worker's place in the fleet      :due     sorted set: what happens at which time of the clock
--   :lapsing  sorted set: whose tokens lapse when      :hand:.. hash, one per epoch, worker and life: its tokens in hand
--                                                               by User; of nobody (''): the offered ones
--   :new      set by who made this ledger, if it is the first one of its workers: the first epoch takes it away
-- Records are packed figures, for the size and the speed: `look` is there to be read.

local LAYOUT = 5  -- of the records: another version of this file with the same layout shares the books
local NEVER = -1000000
local FLOWS = -1  -- as in account.py: the vessel is not full

local SYSTEM = { 'layout', 'clock', 'server', 'filled', 'offered', 'system', 'pool', 'hand',
  'active', 'since', 'throttled_at', 'clear_at', 'shared', 'users',
  'unknown', 'silent', 'part', 'part_at', 'promised', 'leases', 'alive', 'came',
  'maximum', 'threshold', 'burst', 'calm', 'heaviest', 'fair', 'deepest', 'hold', 'lease', 'settle',
  'parts', 'above', 'depth', 'reserve', 'round_ends', 'current', 'first', 'members', 'shares', 'marks', 'widest', 'water',
  'measured_water', 'measured_at', 'pace', 'quickest', 'lent', 'spilled', 'kept', 'cap', 'cap_floor',
  'number0', 'shares0', 'marks0', 'members0', 'number1', 'shares1', 'marks1', 'members1',
  'number2', 'shares2', 'marks2', 'members2', 'number3', 'shares3', 'marks3', 'members3' }
local WORKER = { 'number', 'anchor', 'seen', 'share', 'held', 'ready', 'alone', 'silent_since', 'withheld' }

-- So many figures, as `struct` is told. While a library is loaded there is no `string`.
local function form(count)
  local written = '<'
  for _ = 1, count do
    written = written .. 'd'
  end
  return written
end

local FORMS = { [SYSTEM] = form(#SYSTEM), [WORKER] = form(#WORKER) }
local USER_FORM = form(16)
local HAND_FORM = form(4)  -- of one User: of its bank, of the spare; and of each what is ready, see `ready_is_spent`

local function pack(names, record, rest)
  local figures = {}
  for i = 1, #names do
    figures[i] = record[names[i]]
  end
  return struct.pack(FORMS[names], unpack(figures)) .. rest
end

local function unpacked(names, packed)
  local record = {}
  local figures = { struct.unpack(FORMS[names], packed) }
  for i = 1, #names do
    record[names[i]] = figures[i]
  end
  return record, string.sub(packed, #names * 8 + 1)
end

-- An account, named one by one, for there are many.
local function pack_user(user)
  return struct.pack(USER_FORM, user.level, user.filled_at, user.allocation, user.depth, user.share, user.hand,
    user.mark, user.held, user.asked, user.asked_before, user.asked_since, user.last_weight, user.round, user.offset,
    user.demand, user.demand_at)
end

local function unpacked_user(packed)
  local level, filled_at, allocation, depth, share, hand, mark, held, asked, asked_before, asked_since, last_weight,
    round, offset, demand, demand_at = struct.unpack(USER_FORM, packed)
  return { level = level, filled_at = filled_at, allocation = allocation, depth = depth, share = share, hand = hand,
    mark = mark, held = held, asked = asked, asked_before = asked_before, asked_since = asked_since,
    last_weight = last_weight, round = round, offset = offset, demand = demand, demand_at = demand_at }
end

-- The system's record ends with two words: the epoch, and the server's run in which it began.
local function load_system(base)
  local packed = server.call('GET', base .. ':system')
  if not packed then
    return nil
  end
  local layout = struct.unpack('<d', packed)
  if layout > LAYOUT then
    error({ refused = 'LAYOUT the ledger is kept by a later version' })
  end
  if layout < LAYOUT then
    return nil
  end
  local S, words = unpacked(SYSTEM, packed)
  S.epoch, S.run, S.terms_text = string.match(words, '^(.-)\n(.-)\n(.*)$')
  return S
end

local function save_system(base, S)
  server.call('SET', base .. ':system', pack(SYSTEM, S, S.epoch .. '\n' .. S.run .. '\n' .. S.terms_text))
end

-- A worker's record ends with the terms that it came with, and its life.
local function load_worker(base, name)
  local packed = server.call('HGET', base .. ':workers', name)
  if not packed then
    return nil
  end
  local W, words = unpacked(WORKER, packed)
  W.name = name
  W.terms_text, W.life = string.match(words, '^(.-)\n(.*)$')
  return W
end

local function save_worker(base, W)
  server.call('HSET', base .. ':workers', W.name, pack(WORKER, W, W.terms_text .. '\n' .. W.life))
end

-- The accounts that one call touches, read and written in one go each.
local function open_users(base)
  return { key = base .. ':users', of = {} }
end

local function fetch(users, names)
  local missing = {}
  for _, name in ipairs(names) do
    if users.of[name] == nil then
      users.of[name] = false
      missing[#missing + 1] = name
    end
  end
  if #missing > 0 then
    local packed = server.call('HMGET', users.key, unpack(missing))
    for i, name in ipairs(missing) do
      users.of[name] = packed[i] and unpacked_user(packed[i]) or false
    end
  end
end

local function save_users(users)
  local changed = {}
  for name, user in pairs(users.of) do
    if user then
      changed[#changed + 1] = name
      changed[#changed + 1] = pack_user(user)
    end
  end
  if #changed > 0 then
    server.call('HSET', users.key, unpack(changed))
  end
end
