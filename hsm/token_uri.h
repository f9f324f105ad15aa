/*
 * Which token a PKCS#11 URI (RFC 7512) means. It names a token by what
 * C_GetTokenInfo says of it (label, serial, manufacturer, model), never by
 * slot, which changes, and holds no secret.
 */
#ifndef MM_TOKEN_URI_H
#define MM_TOKEN_URI_H

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "protocol/error.h"

/* MM_E_SETTING says what is wrong with `text`. */
enum mm_error mm_token_uri_parse(const char *text, P11KitUri **out) mm_must_use;

/* Whether an initialised token is the one that is meant. */
bool mm_token_uri_match(const P11KitUri *uri, const CK_TOKEN_INFO *info);

#endif
