package main

import (
	"fmt"
	"strings"
)

const (
	eventBytes   = 205
	silentEvents = 777     // who asks for so many gets the first and then silence
	longBytes    = 920_000 // about 200,000 tokens of English
	sentence     = "Our store moved to a new street last spring. Please tell customers how " +
		"they can find us by tram and where to park a car; be friendly and brief. "
)

// What the mock sends and the load expects, byte for byte.
var (
	wholeBody  = buildWhole()
	streamBody = buildStream(1000)
	streamEnd  = []byte("data: [DONE]\n\n")
	wholeText  = strings.Repeat("You find us two stops after the market. ", 9)[:345]
)

func buildWhole() []byte {
	return []byte(`{"id":"chatcmpl-0123456789","object":"chat.completion","created":1700000000,"model":"m",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"` + wholeText + `"},` +
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
func request(kind string, events int, header string) []byte {
	return prompting(1000, kind != "whole", events, header)
}

// One that asks for a whole answer to a very long prompt.
func longRequest(header string) []byte { return prompting(longBytes, false, 90, header) }

func prompting(bytes int, stream bool, events int, header string) []byte {
	prompt := strings.Repeat(sentence, bytes/len(sentence)+1)[:bytes]
	body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"%s"}],"max_tokens":%d,"stream":%t}`,
		prompt, events, stream)
	if header != "" {
		header += "\r\n"
	}
	return []byte(fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n"+
		"authorization: Bearer sk-bench\r\ncontent-type: application/json\r\nuser-agent: load\r\n"+
		"accept: application/json\r\n%scontent-length: %d\r\n\r\n%s", header, len(body), body))
}
