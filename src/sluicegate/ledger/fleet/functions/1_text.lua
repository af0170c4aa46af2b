-- An ask, read and checked whole before anything changes: a faulty worker cannot poison a bank.
-- The fields and their order are those of messages.py.

local MOST = 1e12      -- SR, SR/s or seconds: above it is no figure of a fleet
local LONGEST = 1024   -- octets of a name
local MOST_WANTS = 1000
local FORM = '2'

local WANT_FORM = '<dddddddddddddddd'
local WANT_WIDTH = 8 * (#WANT_FORM - 1)
local GIVEN_FORM = '<dddddd'
local TERMS = { 'maximum', 'threshold', 'burst', 'calm', 'heaviest', 'sharing', 'deepest', 'hold', 'lease', 'settle',
  'parts' }
local ASK = { 'worker', 'life', 'epoch', 'number', 'clock', 'share', 'owed', 'offered', 'offered_held',
  'offered_back', 'unsent', 'stray', 'throttled' }
local POSITIVE = { 'maximum', 'threshold', 'burst', 'calm', 'heaviest', 'parts' }
local TEXTS = { worker = true, life = true, epoch = true, sharing = true }

local function malformed(what)
  error({ refused = 'MALFORMED ' .. what })
end

local function word(name, text)
  if #text > LONGEST or string.find(text, '\n', 1, true) or (text == '' and name ~= 'epoch') then
    malformed(name)
  end
  return text
end

local function figure(name, text)
  local given = tonumber(text)
  if not given or not (given >= 0 and given <= MOST) then  -- nan is neither below nor above
    malformed(name)
  end
  return given
end

local function fields(names, args, at)
  local record = {}
  for i = 1, #names do
    local name = names[i]
    record[name] = (TEXTS[name] and word or figure)(name, args[at + i - 1])
  end
  return record
end

local function fits(a, b, c, d, e)
  return a >= 0 and a <= MOST and b >= 0 and b <= MOST and c >= 0 and c <= MOST and d >= 0 and d <= MOST and e >= 0
    and e <= MOST
end

-- There are many wants, so all their figures come in one row, and all their names in one text.
local function read_want(user, packed, from)
  local allocation, depth, unit, reserve, waiting, ahead, excess, asked, late, held, back, excess_held, excess_back,
    alone, age, again = struct.unpack(WANT_FORM, packed, from)
  if not (fits(allocation, depth, unit, reserve, waiting) and fits(ahead, excess, asked, late, held)
      and fits(back, excess_held, excess_back, alone, age) and fits(again, 0, 0, 0, 0)) or unit == 0 then
    malformed('want')
  end
  return { user = word('user', user), allocation = allocation, depth = depth, unit = unit, reserve = reserve,
    waiting = waiting, ahead = ahead, excess = excess, asked = asked, late = late, held = held, back = back,
    excess_held = excess_held, excess_back = excess_back, alone = alone, age = age, again = again }
end

local function read_ask(args)
  local at = 2
  local wants_at = at + #ASK + #TERMS
  local count = tonumber(args[wants_at] or '')
  if args[1] ~= FORM then
    malformed('form')
  end
  if not count or not (count >= 0 and count <= MOST_WANTS) or #args ~= wants_at + 2
      or #args[#args] ~= count * WANT_WIDTH then
    malformed('wants')
  end
  local ask = fields(ASK, args, at)
  ask.terms_text = table.concat(args, ' ', at + #ASK, wants_at - 1)
  ask.terms = fields(TERMS, args, at + #ASK)
  if ask.share > 1.000001 or (ask.terms.sharing ~= 'fair' and ask.terms.sharing ~= 'first-come') then
    malformed('share or sharing')
  end
  for _, name in ipairs(POSITIVE) do
    if ask.terms[name] == 0 then
      malformed(name)
    end
  end
  local wants, packed = {}, args[#args]
  for user in string.gmatch(args[wants_at + 1], '[^\n]+') do
    if #wants == count then
      malformed('wants')
    end
    wants[#wants + 1] = read_want(user, packed, #wants * WANT_WIDTH + 1)
  end
  if #wants ~= count then
    malformed('wants')
  end
  ask.wants = wants
  return ask
end

local function text(figure)
  return string.format('%.17g', figure)  -- a number would go back without its fraction
end
