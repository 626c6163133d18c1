"""The text of `deploy/gateway/Caddyfile`: which service answers which method on which path.

`python -m stories_embedded.openapi` writes it from the merged OpenAPI; a test compares. The same file serves every
deployment: addresses and replicas come from the environment.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stories_shared.http.documents import MAX_BODY_BYTES
from stories_shared.http.problems import CONTENT_TYPE, KINDS

from .services import GATEWAY

CADDYFILE = GATEWAY / "Caddyfile"
WAITING = {("POST", "/v1/stories/{story_id}/publish")}  # may hold its answer for 30 s (`?wait=`)
EXPOSED = "Location, ETag, Retry-After, RateLimit, RateLimit-Policy"
ALLOWED = "Authorization, Content-Type, Story-Ticket, Idempotency-Key, If-None-Match, Last-Event-ID"
ORIGIN = "{http.request.header.Origin}"
ORIGIN_IS_LISTED = (
    f'{ORIGIN} != "" && {{env.CORS_ORIGINS}}.split(",").exists(o, o.trim() == "*" || o.trim() == {ORIGIN})'
)
LENGTH = "{http.request.header.Content-Length}"
TOO_LONG = f'{LENGTH}.matches("^[0-9]+$") && double({LENGTH}) > {MAX_BODY_BYTES}.0'
PAGE_POLICY = "\"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\""
MAX_HEADERS = "64KiB"  # a token of 8 KiB, a hundred user ids in percent-encoding, and what browsers add
HTTPS = '{env.PUBLIC_URL}.startsWith("https://")'
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
READY = "/readyz?exclude=kafka&exclude=mongodb&exclude=parking&exclude=bucket"  # as the charts' readiness probe asks


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """One operation and its owner."""

    path: str
    method: str
    service: str


def caddyfile(routes: Iterable[Route]) -> str:
    """The whole file."""
    by_path: dict[str, list[Route]] = {}
    for route in sorted(routes, key=lambda each: (_pattern(each.path), METHODS.index(each.method))):
        by_path.setdefault(_pattern(route.path), []).append(route)
    services = sorted({route.service for routes_of_path in by_path.values() for route in routes_of_path})
    snippets = "\n".join(_upstreams(service) for service in services)
    table = "\n".join(_path(number, pattern, found) for number, (pattern, found) in enumerate(by_path.items()))
    return TEMPLATE.format(
        snippets=snippets,
        table=table,
        exposed=EXPOSED,
        allowed=ALLOWED,
        too_long=TOO_LONG,
        origin_is_listed=ORIGIN_IS_LISTED,
        page_policy=PAGE_POLICY,
        methods=", ".join(METHODS),
        max_headers=MAX_HEADERS,
        ready=READY,
        https=HTTPS,
        problem_type=CONTENT_TYPE,
        not_found=_problem("not-found"),
        too_large=_problem("too-large"),
        unavailable=_problem("unavailable"),
        method_not_allowed=_problem("method-not-allowed"),
    )


def _pattern(path: str) -> str:
    return "^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"


def _upstreams(service: str) -> str:
    name = service.upper()
    return SNIPPET.format(service=service, variable=f"{{${name}_UPSTREAMS:{service}:8000}}")


def _path(number: int, pattern: str, routes: list[Route]) -> str:
    lines = [f"\t\t@path{number} path_regexp {pattern}", f"\t\thandle @path{number} {{"]
    for route in routes:
        seconds = "40s" if (route.method, route.path) in WAITING else "5s"
        matcher = f"@{route.method.lower()}{number}"
        lines += [
            f"\t\t\t{matcher} method {route.method}",
            f"\t\t\thandle {matcher} {{\n\t\t\t\timport {route.service} {seconds}\n\t\t\t}}",
        ]
    allow = ", ".join(route.method for route in routes)
    lines += [f'\t\t\timport method_not_allowed "{allow}"', "\t\t}"]
    return "\n".join(lines)


def _problem(slug: str) -> str:
    kind = KINDS[slug]
    return json.dumps({"type": kind.type, "title": kind.title, "status": kind.status})


SNIPPET = """\
({service}) {{
	reverse_proxy {{
		import {{$GATEWAY_DISCOVERY:listed}} {variable}
		lb_policy header Authorization
		lb_try_duration 2s
		lb_try_interval 100ms
		flush_interval -1
		transport http {{
			dial_timeout 1s
			keepalive 30s
			keepalive_idle_conns_per_host 256
			response_header_timeout {{args[0]}}
		}}
	}}
}}
"""

TEMPLATE = """\
# Written by `python -m stories_embedded.openapi`; a test compares.
# GATEWAY_HOST, GATEWAY_PORT: where it listens. <SERVICE>_UPSTREAMS: the replicas, `host:port host:port …`; or
# `host port`, with GATEWAY_DISCOVERY=dns, which finds the replicas under one name.
# GATEWAY_FILES, OPENAPI_FOLDER: this folder, and the one of openapi.json.
# CORS_ORIGINS, SHARE_APP_URL, PUBLIC_URL: as documented; with an https one, browsers are told to stay with TLS.
{{
	admin off
	auto_https off
	persist_config off
	grace_period 4s
	log {{
		level WARN
		format filter {{
			request>uri query {{
				replace token hidden
			}}
			request>headers delete
		}}
	}}
	servers {{
		protocols h1 h2c
		max_header_size {max_headers}
		timeouts {{
			read_header 10s
		}}
	}}
}}

# Replicas by name. Which of them can answer is asked of them twice a second, never concluded from how a client's
# request went: a client could take a replica away from everybody. What all of them lack at once takes none away.
(listed) {{
	to {{args[:]}}
	health_uri {ready}
	health_interval 500ms
	health_timeout 2s
}}

# Replicas by what DNS says of one name, looked up every second: `<host> <port>`. Whoever runs them takes dead ones out
# of DNS; one that went a moment ago refuses the connection, and the next is tried.
(dns) {{
	dynamic a {{
		name {{args[0]}}
		port {{args[1]}}
		refresh 1s
		dial_timeout 1s
	}}
}}

{snippets}
(problem) {{
	header Content-Type {problem_type}
	header Cache-Control "private, no-store"
}}

(guarded) {{
	header {{
		X-Content-Type-Options nosniff
		X-Frame-Options DENY
		Referrer-Policy no-referrer
		?Content-Security-Policy "default-src 'none'; frame-ancestors 'none'"
		-Server
		-Via
		defer
	}}
	header @https {{
		Strict-Transport-Security "max-age=63072000"
		defer
	}}
	header @cors {{
		Access-Control-Allow-Origin {{http.request.header.Origin}}
		Access-Control-Expose-Headers "{exposed}"
		defer
	}}
	header @origins {{
		+Vary Origin
		defer
	}}
}}

(method_not_allowed) {{
	handle {{
		import problem
		header Allow {{args[0]}}
		respond `{method_not_allowed}` 405
	}}
}}

http://:{{$GATEWAY_PORT:8080}} {{
	bind {{$GATEWAY_HOST:0.0.0.0}}

	# A token stays with one replica while that lives. A body without a length is bounded by the services.
	@cors {{
		header Origin *
		expression `{origin_is_listed}`
	}}
	@origins expression `{{env.CORS_ORIGINS}} != ""`
	@https expression `{https}`
	@preflight {{
		method OPTIONS
		header Origin *
		header Access-Control-Request-Method *
		path /v1/*
		expression `{origin_is_listed}`
	}}

	import guarded

	route {{
		handle @preflight {{
			header Access-Control-Allow-Methods "{methods}"
			header Access-Control-Allow-Headers "{allowed}"
			header Access-Control-Max-Age 600
			respond 204
		}}

		@too_large expression `{too_long}`
		handle @too_large {{
			import problem
			respond `{too_large}` 413
		}}

		@openapi path_regexp ^/v1/openapi\\.json$
		handle @openapi {{
			@read method GET HEAD
			handle @read {{
				root * {{$OPENAPI_FOLDER:/srv/docs}}
				rewrite * /openapi.json
				header Cache-Control no-cache
				file_server
			}}
			import method_not_allowed "GET, HEAD"
		}}

		@share path_regexp share ^/s/([A-Za-z0-9-]{{1,64}})$
		handle @share {{
			@read_share method GET HEAD
			handle @read_share {{
				root * {{$GATEWAY_FILES:/srv/gateway}}/share
				@app expression `{{env.SHARE_APP_URL}} != ""`
				handle @app {{
					rewrite * /redirect.html
					templates
					file_server {{
						status 302
					}}
				}}
				handle {{
					rewrite * /index.html
					header Content-Security-Policy {page_policy}
					file_server
				}}
			}}
			import method_not_allowed "GET, HEAD"
		}}

{table}

		handle {{
			import problem
			respond `{not_found}` 404
		}}
	}}

	handle_errors {{
		import guarded
		import problem
		@missing expression `{{http.error.status_code}} == 404`
		handle @missing {{
			respond `{not_found}` 404
		}}
		handle {{
			header Retry-After 1
			respond `{unavailable}` 503
		}}
	}}
}}
"""
