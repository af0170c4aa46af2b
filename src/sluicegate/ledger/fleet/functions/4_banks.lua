-- The banks: Throttle.decide over the books, and what a worker tells and takes. Times are those of the filling clock.
--
-- What is drawn is charged when it is drawn, and counts against the depth of its banks while it is in hand:
-- level + in hand <= depth of each, so that what one process could let out at once is what a fleet can.

local GOLDEN = 0.6180339887498949
local WHOLE = 1000000  -- shares of it are counted in millionths
local LATELY = 5000000  -- microseconds: see Given.demand

-- The part of the whole that is not in use elsewhere, as far as is known: banks fill at that part of their rates.
local function fill_part(S)
  return math.max(0, WHOLE - S.unknown - S.silent) / WHOLE
end

-- While shares of the whole may be in use elsewhere, with banks of their own, the banks here are that much less deep:
-- `part` of their depths. When a share is back they grow as banks fill, from what they were at `part_at`. A bank that
-- nobody has touched meanwhile holds as much as if it had been cut down and filled again: the cap alone sees to it.
local function part_of(S, now)
  if S.part == 1 and S.unknown + S.silent == 0 then  -- nearly always, and it is asked for some times a User
    return 1
  end
  local grown = S.part + math.max(0, now - S.part_at) / S.burst
  return math.min(1, grown, fill_part(S))
end

-- Before shares that may be in use elsewhere become more, or fewer.
local function keep_part(S, now)
  S.part, S.part_at = part_of(S, now), now
end

-- What the offered bank may hold. A cut leaves no debt.
local function most_offered(S, now)
  local part = part_of(S, now)
  local whole = S.depth - S.hand
  return part < 1 and math.min(whole, math.max(0, S.depth * part - S.hand)) or whole
end

local function room(S, now)
  return math.max(S.depth * part_of(S, now) - S.pool - S.hand, -S.deepest)
end

-- Where the ledger is one of several parts, the banks of its Users hold more than `deepest` together, for their requests
-- come to the parts unevenly by chance. So there is one bank more above them, as deep as all of them would be else. It
-- fills at the capacity, for that is what allocations may add up to. What it let out counts against its depth while it is
-- in hand; where the system bank is in debt by less than that, so much of what is in hand came from there.
local function fill_above(S, gained, now)
  local most = S.deepest * part_of(S, now) - math.min(S.hand, math.max(0, -S.system))
  S.above = math.max(0, math.min(most, S.above + gained))
end

local function fill_system(S, gained, now)
  S.offered = math.min(most_offered(S, now), S.offered + gained)
  local system = S.system + gained
  local most = room(S, now)
  if system > most then
    if S.shared == 1 then
      S.spilled = S.spilled + system - most
    end
    system = most
  end
  S.system = system
  if S.parts > 1 then
    fill_above(S, gained / S.threshold * S.maximum, now)
  end
end

local function floor_offered(S)
  local calm, deepest = S.threshold * S.calm, S.deepest
  return calm > deepest and -calm or -deepest
end

local function settle(S, now)
  local ends = math.max(S.throttled_at, S.clear_at) + S.calm
  if S.active == 1 and now >= ends then
    S.active, S.since = 0, S.clock - (now - ends) * 1e6
  end
end

local function throttled(S, now)
  S.throttled_at = now
  if S.active == 0 then
    S.active, S.since = 1, S.clock
  end
end

local function charge_offered(S, weight, now)
  local left = S.offered - weight
  if left < 0 then
    if S.active == 1 and S.offered >= 0 then
      settle(S, now)
    end
    local floor = floor_offered(S)
    if left < floor then
      left = floor
    end
    S.clear_at = now - left / S.threshold
  end
  S.offered = left
end

local function charge_system(S, weight)
  local left, floor = S.system - weight, -S.deepest
  S.system = left > floor and left or floor
end

local function back_to_system(S, weight, now)
  S.system = math.min(room(S, now), S.system + weight)
end

-- Other terms: as Throttle.reconfigure. Where only how deep all banks are is another, nobody's sharing begins anew.
local function take_terms(S, terms, terms_text, now)
  local before = { S.maximum, S.threshold, S.burst, S.calm, S.heaviest, S.fair }
  S.terms_text = terms_text
  for _, name in ipairs({ 'maximum', 'threshold', 'burst', 'calm', 'heaviest', 'deepest', 'hold', 'lease', 'settle',
    'parts' }) do
    S[name] = terms[name]
  end
  S.fair = terms.sharing == 'fair' and 1 or 0
  local same = true
  for i, figure in ipairs({ S.maximum, S.threshold, S.burst, S.calm, S.heaviest, S.fair }) do
    same = same and figure == before[i]
  end
  if not same then
    local lapsed = S.pool
    S.depth = math.max(S.threshold * S.burst, 2 * S.heaviest)
    dissolve(S, now)
    S.shared = 0
    S.system = math.min(room(S, now), S.system + lapsed)
    S.offered = math.min(S.system, S.offered)
  end
  S.system = math.max(-S.deepest, S.system)
  S.offered = math.max(floor_offered(S), S.offered)
end

-- A bank holds a whole request, however small the part: `within` sees to what those add up to.
local function level_at(S, user, now)
  local depth, part = user.depth, part_of(S, now)
  if part < 1 then
    depth = math.min(depth, math.max(depth * part, S.heaviest, user.hand))
  end
  local most, level = depth - user.hand, user.level + (now - user.filled_at) * user.allocation
  return level < most and level or most
end

local function fill_user(S, user, now)
  user.level, user.filled_at = level_at(S, user, now), now
end

-- A User's account as it is wanted now. New ones are as if they had been empty since the epoch began.
local function account(S, users, want, now)
  local user = users.of[want.user]
  local share = math.max(want.allocation, 1 / S.burst / S.parts)
  if not user then
    user = { level = 0, filled_at = 0, allocation = want.allocation, depth = want.depth, share = share, hand = 0,
      mark = 0, held = FLOWS, asked = 0, asked_before = 0, asked_since = NEVER, last_weight = 0, round = NEVER,
      offset = (S.users * GOLDEN) % 1, demand = 0, demand_at = S.clock }
    S.users = S.users + 1
    users.of[want.user] = user
  elseif user.allocation ~= want.allocation or user.depth ~= want.depth or user.share ~= share then
    fill_user(S, user, now)
    user.allocation, user.depth = want.allocation, want.depth
    user.level = math.min(user.level, user.depth - user.hand)
    if counts(S, user) then
      stand(S, user, user.mark, user.last_weight, user.held, share)
    end
    user.share = share
  end
  return user
end

-- Whether allocation banks would let out more together than they may: of several parts, always; and of the system bank
-- beyond what it holds, while their depths are cut.
local function beneath(S, weight, now)
  local part = part_of(S, now)
  return S.parts > 1 and S.above < weight - EPSILON or part < 1 and S.system - weight < -S.deepest * part - EPSILON
end

-- What allocation banks let out, `beneath` allowing it, or a worker while it was alone.
local function charge_banks(S, weight)
  S.above = math.max(0, S.above - weight)
  charge_system(S, weight)
end

-- Step 1: the User's bank.
local function within(S, user, weight, reserve, now)
  local level = level_at(S, user, now)
  if user.depth <= 0 or level < weight - EPSILON + reserve or beneath(S, weight, now) then
    return false
  end
  user.level, user.filled_at = level - weight, now
  charge_banks(S, weight)
  return true
end

-- Step 3: the User's part of what is set aside, while nothing is left for everybody.
local function shared_out(S, user, weight, reserve, now)
  if S.shared == 0 then
    dissolve(S, now)
    S.shared = 1
  end
  if S.system > 0 then
    S.pool = S.pool + S.system
    S.system = 0
  end
  join(S, user, weight, now)
  return permits(S, user, weight, reserve)
end

local function nothing_is_short(S, now)
  if S.shared == 1 then
    S.system = S.system + dissolve(S, now)
    S.shared = 0
  end
end

-- One request that waits, as Throttle.decide. Returns what it took: of the bank, and of the spare.
local function decide(S, user, weight, reserve, now)
  local offered = S.offered
  charge_offered(S, weight, now)
  if S.active == 1 and reserve > 0 then
    settle(S, now)
  end
  local kept = S.active == 1 and reserve or 0
  if within(S, user, weight, kept, now) then
    return weight, 0
  end
  if offered >= weight - EPSILON then
    nothing_is_short(S, now)
    S.system = S.system - weight
    return 0, weight
  end
  if shared_out(S, user, weight, kept, now) then
    return 0, weight
  end
  throttled(S, now)
  return 0, 0
end

-- In advance, of the bank: only of what it holds above its half, or one worker could take all that another one needs.
local function draw_ahead(S, user, want, now)
  local spare = level_at(S, user, now) - math.max(want.reserve, user.depth / 2)
  local units = math.floor(math.min(want.ahead, spare) / want.unit + EPSILON)
  local granted = units > 0 and units * want.unit or 0
  if beneath(S, granted, now) then
    return 0
  end
  if granted > 0 then
    fill_user(S, user, now)
    user.level = user.level - granted
    charge_banks(S, granted)
    charge_offered(S, granted, now)
  end
  return granted
end

-- In advance, of the User's credit, request by request until one is refused.
local function draw_excess(S, user, want, now, budget)
  local granted, wanted = 0, want.excess
  while wanted >= want.unit - EPSILON and budget > 0 and S.offered < want.unit - EPSILON do
    budget = budget - 1
    if not shared_out(S, user, want.unit, S.active == 1 and want.reserve or 0, now) then
      break
    end
    charge_offered(S, want.unit, now)
    granted = granted + want.unit
    wanted = wanted - want.unit
  end
  return granted, budget
end

-- Excess that was asked for and did not get so far as here: its User wants that much more.
local function hear_of(S, user, want, granted, now)
  user.demand = math.max(0, user.demand * math.exp((user.demand_at - S.clock) / LATELY) + want.asked + want.waiting
    - want.again)
  user.demand_at = S.clock
  if want.asked > granted and S.shared == 1 then
    join(S, user, want.unit, now)
    user.asked = math.min(MUCH, user.asked + want.asked - granted)
  end
end

-- In advance, for whoever comes while nothing runs short: of half of what there is, one worker's part.
local function draw_offered(S, wanted, now)
  local most = S.offered >= S.heaviest and S.offered / 2 / math.max(1, S.alive) or 0
  local granted = math.min(wanted, most)
  if granted > 0 then
    nothing_is_short(S, now)
    S.system = S.system - granted
    S.offered = S.offered - granted
    S.hand = S.hand + granted
  end
  return granted
end
