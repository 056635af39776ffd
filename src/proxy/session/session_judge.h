/* What a command is, decided from its first bytes: routed on, answered here, or refused. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct session;

/* payload: of the command, with its first byte; cut when the command streams. Fills
 * session->command. false: it has been answered already, or the session is dead. */
bool session_judge_command(struct session *session, struct str payload);
