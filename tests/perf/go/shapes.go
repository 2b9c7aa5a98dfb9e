package main

import (
	"fmt"
	"strings"
)

const eventBytes = 205

// What the mock sends and the load expects, byte for byte.
var (
	wholeBody  = buildWhole()
	streamBody = buildStream(1000)
	streamEnd  = []byte("data: [DONE]\n\n")
)

func buildWhole() []byte {
	text := strings.Repeat("You find us two stops after the market. ", 9)
	return []byte(`{"id":"chatcmpl-0123456789","object":"chat.completion","created":1700000000,"model":"m",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"` + text[:345] + `"},` +
		`"finish_reason":"stop","logprobs":null}],` +
		`"usage":{"prompt_tokens":240,"completion_tokens":90,"total_tokens":330}}`)
}

// Events of the same size, each with its number: a lost, doubled or swapped one is seen.
func buildStream(events int) []byte {
	var all strings.Builder
	for n := range events {
		event := fmt.Sprintf(`data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk",`+
			`"created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":" word%05d"},`+
			`"logprobs":null,"finish_reason":null}]`, n)
		event += strings.Repeat(" ", eventBytes-len(event)-len("}\n\n")) + "}\n\n"
		all.WriteString(event)
	}
	return []byte(all.String())
}

// About 1.2 kB with a prompt of 1,000 bytes.
func request(kind string, events int) []byte {
	prompt := strings.Repeat("Our store moved to a new street last spring. Please tell customers how "+
		"they can find us by tram and where to park a car; be friendly and brief. ", 7)[:1000]
	body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"%s"}],"max_tokens":%d,"stream":%t}`,
		prompt, events, kind == "stream")
	return []byte(fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n"+
		"authorization: Bearer sk-bench\r\ncontent-type: application/json\r\nuser-agent: load\r\n"+
		"accept: application/json\r\ncontent-length: %d\r\n\r\n%s", len(body), body))
}
