-- Water and vessels: sharing.py, line by line, over the books. docs/throttle.md tells how and why.

local EPSILON = 1e-6
local CAP, ROUNDS, RELAX, SPREAD, MUCH = 1.25, 4, 5, 2, 1e300

-- What the sums of each round are called in the books.
local NUMBER, SHARES, MARKS, MEMBERS = {}, {}, {}, {}
for slot = 0, ROUNDS - 1 do
  NUMBER[slot], SHARES[slot], MARKS[slot], MEMBERS[slot] = 'number' .. slot, 'shares' .. slot, 'marks' .. slot,
    'members' .. slot
end

local function counts(S, user)
  return S[NUMBER[user.round % ROUNDS]] == user.round
end

local function add(S, round, shares, marks, members)
  local slot = round % ROUNDS
  S[SHARES[slot]] = S[SHARES[slot]] + shares
  S[MARKS[slot]] = S[MARKS[slot]] + marks
  S[MEMBERS[slot]] = S[MEMBERS[slot]] + members
end

local function begin_round(S, number)
  local slot = number % ROUNDS
  S.current = number
  S[NUMBER[slot]], S[SHARES[slot]], S[MARKS[slot]], S[MEMBERS[slot]] = number, 0, 0, 0
end

-- What of the pool cannot be poured: it stands in the vessels, or is the reserve.
local function locked(S)
  return math.max(0, S.water * S.shares - S.marks) + S.reserve
end

local function measure(S, now)
  local elapsed = now - S.measured_at
  if S.shares > S.widest then
    S.widest = S.shares
  end
  if elapsed >= 2 * S.burst then
    local pace = (S.water - S.measured_water) / elapsed
    if pace * S.widest * S.burst > S.depth then
      pace = S.depth / (S.widest * S.burst)
    end
    S.widest = S.shares
    S.quickest = math.max(pace, S.pace)
    S.pace = pace
    S.measured_at = now
    S.measured_water = S.water
  elseif S.pace == 0 and S.shares > 0 then
    S.quickest = S.depth / (S.burst * S.shares)
    S.pace = S.quickest
  end
  local members = math.max(1, S.members)
  S.reserve = math.min(S.depth / 2, S.heaviest * (1 + members ^ 0.5))
  S.kept = S.reserve - S.lent
  S.cap = CAP * S.quickest * S.burst
  S.cap_floor = math.min(2 * S.heaviest, (S.depth - S.heaviest) / (2 * members))
end

-- Forget who took part, for the overload is over; returns what was set aside.
local function dissolve(S, now)
  local lapsed = S.pool
  S.pool = 0
  S.first = S.current + ROUNDS
  for number = S.first - ROUNDS + 1, S.first do
    begin_round(S, number)
  end
  S.round_ends = now + S.burst / (ROUNDS - 1)
  for _, name in ipairs({ 'members', 'shares', 'widest', 'marks', 'water', 'measured_water', 'pace', 'quickest',
    'lent', 'spilled' }) do
    S[name] = 0
  end
  S.measured_at = now
  measure(S, now)
  S.cap = S.depth
  return lapsed
end

local function turn(S, now)
  local seconds = S.burst / (ROUNDS - 1)
  local late = math.floor((now - S.round_ends) / seconds)
  for _ = 1, math.min(1 + late, ROUNDS) do
    begin_round(S, S.current + 1)
  end
  S.round_ends = math.max(S.round_ends + seconds * (1 + late), now)
  S.shares = S.shares0 + S.shares1 + S.shares2 + S.shares3
  S.marks = S.marks0 + S.marks1 + S.marks2 + S.marks3
  S.members = S.members0 + S.members1 + S.members2 + S.members3
  S.lent = math.min(S.lent * math.max(0, 1 - (1 + late) * seconds / RELAX), locked(S))
  measure(S, now)
end

-- What a User adds to the sums of its round.
local function contribution(user)
  if user.held < 0 then
    return user.share, user.share * user.mark - 0.5 * user.last_weight
  end
  return 0, -user.held
end

local function take_part(S, user)
  local shares, marks = contribution(user)
  if counts(S, user) then
    add(S, user.round, -shares, -marks, -1)
  else
    S.shares = S.shares + shares
    S.marks = S.marks + marks
    S.members = S.members + 1
  end
  add(S, S.current, shares, marks, 1)
  user.round = S.current
end

-- What a User's vessel holds is another (or its share is); so is what it adds to the sums of its round.
local function stand(S, user, mark, last_weight, held, share)
  local shares, marks = contribution(user)
  user.mark, user.last_weight, user.held, user.share = mark, last_weight, held, share or user.share
  local shares_now, marks_now = contribution(user)
  shares, marks = shares_now - shares, marks_now - marks
  add(S, user.round, shares, marks, 0)
  S.shares = S.shares + shares
  S.marks = S.marks + marks
end

local function ask_anew(S, user, weight)
  user.asked_before = S.current - user.asked_since < 2 * (ROUNDS - 1) and user.asked or 0
  user.asked = 0
  user.asked_since = S.current
  if user.round < S.first then
    local spread = weight * math.min(1, SPREAD * (S.members + 1) * weight / S.depth)
    user.mark = S.water + spread * user.offset / user.share
    user.last_weight = spread
    user.held = 0
  end
end

local function catch(S, share)
  local lent = math.min(S.lent + S.spilled, locked(S))
  S.spilled = 0
  if lent > S.lent then
    S.water = S.water + (lent - S.lent) / (S.shares > EPSILON and S.shares or share)
    S.kept = S.kept - (lent - S.lent)
    S.lent = lent
  end
end

-- The water rises by what is free, and the User counts in the present round.
local function join(S, user, weight, now)
  if now >= S.round_ends then
    turn(S, now)
  end
  if S.fair == 0 then
    if user.round ~= S.current then
      if user.round < S.first then
        user.held, user.mark, user.last_weight = FLOWS, 0, 0
      end
      take_part(S, user)
    end
    return
  end
  if S.spilled > 0 then
    catch(S, user.share)
  end
  local free = S.pool - S.kept - S.water * S.shares + S.marks
  if free > 0 then
    S.water = S.water + free / (S.shares > EPSILON and S.shares or user.share)
  end
  if user.round ~= S.current then
    if not counts(S, user) and user.mark < S.water then
      user.mark = S.water
    end
    if S.current - user.asked_since >= ROUNDS - 1 then
      ask_anew(S, user, weight)
    end
    take_part(S, user)
  end
end

local function permits_first_come(S, user, weight)
  if S.pool < weight - EPSILON then
    return false
  end
  S.pool = S.pool - weight
  S.water = S.water + weight / S.shares
  return true
end

-- Of what a User keeps for its more urgent requests, the part that its vessel can.
local function kept_in_vessel(S, user, kept)
  local half = user.share * S.cap
  if kept <= 0 or CAP * user.asked_before < half then
    return 0
  end
  return math.min(kept, 0.5 * math.max(half, S.cap_floor))
end

-- Whether the User may take `weight` of the pool; takes it. `join` comes first.
local function permits(S, user, weight, kept)
  if S.fair == 0 then
    return permits_first_come(S, user, weight)
  end
  local share, water, mark = user.share, S.water, user.mark
  local credit = share * (water - mark)
  if credit < kept_in_vessel(S, user, kept) - EPSILON then
    user.asked = credit < -EPSILON and MUCH or user.asked + weight
    if user.held >= 0 then
      stand(S, user, mark, user.last_weight, FLOWS)
    end
    return false
  end
  local top = share * S.cap
  if CAP * user.asked < top then
    user.asked = user.asked + weight
    top = math.min(top, CAP * math.max(user.asked, user.asked_before))
  end
  top = math.max(top, S.cap_floor)
  local permitted = S.pool >= weight - EPSILON
  if permitted then
    S.pool = S.pool - weight
  end
  if credit < top and user.held < 0 and (not permitted or weight == user.last_weight) then
    if permitted then
      user.mark = mark + weight / share
      S.marks = S.marks + weight
      add(S, S.current, 0, weight, 0)
    end
    return permitted
  end
  local held = FLOWS
  if credit >= top then
    mark = water - top / share
    held = permitted and math.max(0, top - weight) or top
  end
  if permitted then
    stand(S, user, mark + weight / share, weight, held)
  else
    stand(S, user, mark, user.last_weight, held)
  end
  return permitted
end

local function credit_of(S, user)
  return S.fair == 1 and counts(S, user) and user.share * (S.water - user.mark) or 0
end
