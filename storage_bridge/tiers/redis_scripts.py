"""What the Redis server does at once, as Lua; each script touches the one key it is given.

They travel whole with each call: a restarted or newly promoted server has none cached, and a
pipeline cannot find that out halfway.
"""

from typing import Final

# KEYS[1] a minute; ARGV: its batch as the caller sees it, UNIX second of expiry, fields and values.
# The number of new fields, or the batch that another writer chose before: encode again with that.
WRITE: Final = """
local held = redis.call('HGET', KEYS[1], '')
if held and held ~= ARGV[1] then return held end
if not held then redis.call('HSET', KEYS[1], '', ARGV[1]) end
local parts = {}
for part in string.gmatch(ARGV[3], '([^\\255]*)\\255') do parts[#parts + 1] = part end
local new = redis.call('HSET', KEYS[1], unpack(parts))
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return new
"""

# KEYS[1] a minute; ARGV: `<channel>:`. The minute's batch, then offsets and values, joined by 0xff:
# parsing one string takes the client a tenth of parsing each.
READ: Final = """
local row = redis.call('HGETALL', KEYS[1])
local channel, length = ARGV[1], #ARGV[1]
local found = {''}
for i = 1, #row, 2 do
  local field = row[i]
  if field == '' then
    found[1] = row[i + 1]
  elseif string.sub(field, 1, length) == channel
    and not string.find(field, ':', length + 1, true) then
    found[#found + 1] = string.sub(field, length + 1)
    found[#found + 1] = row[i + 1]
  end
end
return table.concat(found, '\\255')
"""

# KEYS[1] a minute. Its channels, each followed by 0xff: a channel may have no name.
CHANNELS: Final = """
local known, found = {}, {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local channel = string.match(field, '^(.*):')
  if channel and not known[channel] then
    known[channel] = true
    found[#found + 1] = channel .. '\\255'
  end
end
return table.concat(found)
"""

# KEYS[1] the newest samples; ARGV: a channel, then series and JSON as `encode_last` makes it. By
# seq within a spool, at once to another spool or from one without a seq; never by time but
# between two without. What moved, in how many there are, is told to whoever listens.
MOVE_LAST: Final = """
local moved = {}
for i = 2, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  local yields = true
  if held then
    local old, new = cjson.decode(held), cjson.decode(ARGV[i + 1])
    if new[6] == cjson.null then
      yields = old[6] == cjson.null and new[1] > old[1]
    elseif old[6] ~= cjson.null and old[5] == new[5] then
      yields = new[6] > old[6]
    end
  end
  if yields then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    moved[#moved + 1] = cjson.encode(ARGV[i]) .. ':' .. ARGV[i + 1]
  end
end
if #moved > 0 then
  redis.call('PUBLISH', ARGV[1], '{' .. table.concat(moved, ',') .. '}')
end
return #moved
"""

# KEYS[1] a marker; ARGV: a fill's token and the holder it was for. 0 if the token has been lost, or
# has come to a server that is none of that holder's: one that was promoted since has the token, but
# may lack what the one before it acknowledged later.
END_FILL: Final = """
local about = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local process, history = string.match(about, 'run_id:(%x+).*master_replid:(%x+)')
if not string.find(ARGV[2], process .. ':' .. history, 1, true) then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'holder', ARGV[2])
return 1
"""
