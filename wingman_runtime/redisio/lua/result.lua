-- result: record what became of an intent. ARGV[1] header, [2] effect JSON, [3] log body.
return effect_ended(cjson.decode(ARGV[1]), ARGV[2], ARGV[3])
