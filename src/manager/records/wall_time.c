#include "manager/records/wall_time.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"

json_t *wall_time_to_json(uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / US_PER_S);
	struct tm parts;
	char day[32];
	char text[48];
	if (!gmtime_r(&seconds, &parts) ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
		return json_null();
	}
	(void)snprintf(text, sizeof(text), "%s.%03uZ", day,
		       (unsigned)(wall_us % US_PER_S / US_PER_MS));
	return json_string(text);
}

uint64_t wall_time_from_json(const json_t *json)
{
	const char *text = json_string_value(json);
	struct tm parts = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
	uint32_t ms = 0;
	struct str digits = str_of(rest);
	bool right = digits.len == sizeof(".000Z") - 1 &&
		     str_parse_u32(str_slice(digits, 1, 4), 0, 999, &ms) == ERR_OK;
	time_t seconds = right ? timegm(&parts) : 0;
	return seconds > 0 ? (uint64_t)seconds * US_PER_S + (uint64_t)ms * US_PER_MS : 0;
}
