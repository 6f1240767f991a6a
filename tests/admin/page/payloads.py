"""A hundred texts that would run as script, or ask somebody else for something, in a page that took them as markup."""

from __future__ import annotations

CALL = "window.ran=1"
ELSEWHERE = "http://127.0.0.9:9"

_MARKUP = (
    "<script>{c}</script>",
    "<script src={e}/x.js></script>",
    "<img src=x onerror={c}>",
    "<img src={e}/i.png>",
    "<svg onload={c}>",
    "<svg><script>{c}</script></svg>",
    "<svg><image href={e}/i.svg></svg>",
    "<svg><animate onbegin={c} attributeName=x dur=1s>",
    "<iframe src=javascript:{c}>",
    "<iframe src={e}>",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<object data={e}/o>",
    "<embed src={e}/e>",
    "<body onload={c}>",
    "<video src={e}/v autoplay onerror={c}>",
    "<audio src=x onerror={c}>",
    "<link rel=stylesheet href={e}/s.css>",
    "<style>@import '{e}/s.css';</style>",
    "<style>*{{background:url({e}/b)}}</style>",
    "<meta http-equiv=refresh content='0;url={e}'>",
    "<base href={e}/>",
    "<form action={e}><input autofocus onfocus={c}>",
    "<input autofocus onfocus={c}>",
    "<details open ontoggle={c}>",
    "<marquee onstart={c}>",
    "<a href=javascript:{c} autofocus onfocus={c}>x</a>",
    "<math><mtext><script>{c}</script>",
    "<template><script>{c}</script></template>",
    "<noscript><img src=x onerror={c}></noscript>",
    "<p style=background:url({e}/p)>x",
    "{{{{{c}}}}}",
    "${{{c}}}",
    "javascript:{c}",
)
_PREFIXES = ("", "\"'>", "</bdi></td></tr></table>")

#: Every kind of markup, in each of the places that one would break out of, and one for the arithmetic.
PAYLOADS = [prefix + text.format(c=CALL, e=ELSEWHERE) for prefix in _PREFIXES for text in _MARKUP] + ["__proto__"]
