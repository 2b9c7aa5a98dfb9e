package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

const (
	ok        = "HTTP/1.1 200 OK\r\ncontent-type: "
	wholeHead = ok + "application/json\r\ncontent-length: %d\r\n\r\n"
)

var (
	streamHead  = []byte(ok + "text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
	wholeAnswer = append(fmt.Appendf(nil, wholeHead, len(wholeBody)), wholeBody...)
	headEnd     = []byte("\r\n\r\n")
	lengthName  = []byte("\r\ncontent-length:")
	streamTrue  = []byte(`"stream":true`)
	streamSpace = []byte(`"stream": true`)
	maxTokens   = []byte(`_tokens":`) // sglang-router renames it to max_completion_tokens
	get         = []byte("GET ")
)

// broken is how a mock misbehaves, so that a test sees the load notice it.
type broken struct{ status, text, cut, lost bool }

type server struct {
	poller  *poller
	gap     time.Duration
	broken  broken
	waiting []*backend // streams by the time of their next event; all gaps are the same
}

// backend is one connection to the mock.
type backend struct {
	writer
	server *server
	data   []byte
	need   int // bytes of the request in work, once its head is there
	sent   int // events of the stream in work
	events int
	due    time.Time
	closed bool
}

func mock(arguments []string) {
	flags := flag.NewFlagSet("mock", flag.ExitOnError)
	gap := flags.Duration("gap", 20*time.Millisecond, "between two events")
	wrong := flags.String("wrong", "", "status, text, cut or lost: misbehave so")
	flags.Parse(arguments)
	here := &server{poller: newPoller(), gap: *gap}
	here.broken = broken{*wrong == "status", *wrong == "text", *wrong == "cut", *wrong == "lost"}
	ports := [2]int{}
	for i := range ports {
		ports[i] = here.poller.listen(func(fd int) {
			connection := &backend{server: here, writer: writer{poller: here.poller, fd: fd}}
			here.poller.add(fd, connection)
		})
	}
	fmt.Println(ports[0], ports[1])
	go func() { // whoever started it holds the other end
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		here.poller.wait(here.next())
		here.send(time.Now())
	}
}

func (s *server) next() time.Duration {
	if len(s.waiting) == 0 {
		return time.Second
	}
	return time.Until(s.waiting[0].due)
}

// send writes every event that is due, each with a write of its own.
func (s *server) send(now time.Time) {
	for len(s.waiting) > 0 && !s.waiting[0].due.After(now) {
		stream := s.waiting[0]
		s.waiting = s.waiting[1:]
		if stream.closed {
			continue
		}
		stream.event()
		if stream.events > 0 {
			stream.due = stream.due.Add(s.gap)
			s.waiting = append(s.waiting, stream)
		}
	}
}

func (b *backend) event() {
	piece := make([]byte, 0, 256)
	if b.sent == 0 {
		piece = append(piece, streamHead...)
	}
	event := streamBody[b.sent*eventBytes : (b.sent+1)*eventBytes]
	b.sent++
	if !(b.server.broken.lost && b.sent == 2) {
		piece = fmt.Appendf(piece, "%x\r\n%s\r\n", len(event), event)
	}
	if b.sent == b.events {
		piece = fmt.Appendf(piece, "%x\r\n%s\r\n0\r\n\r\n", len(streamEnd), streamEnd)
		b.events = 0
	}
	b.write(piece)
}

func (b *backend) readable(data []byte) {
	if len(data) == 0 {
		b.closed = true
		b.poller.close(b.fd)
		return
	}
	if len(b.data) > 0 {
		data = append(b.data, data...)
		if len(data) < b.need {
			b.data = data
			return
		}
		b.data = nil
	}
	for len(data) > 0 {
		size := b.request(data)
		if size == 0 {
			b.data = append(make([]byte, 0, max(b.need, len(data))), data...)
			return
		}
		b.need = 0
		data = data[size:]
	}
}

// request answers the one at the beginning of data; its size, 0 if it is not complete.
func (b *backend) request(data []byte) int {
	end := bytes.Index(data, headEnd)
	if end < 0 {
		return 0
	}
	end += len(headEnd)
	if bytes.HasPrefix(data, get) {
		body := `{"status":"ok","object":"list","data":[{"id":"m","object":"model"}]}`
		b.write(fmt.Appendf(nil, wholeHead+"%s", len(body), body))
		return end
	}
	length := number(bytes.ToLower(data[:end]), lengthName)
	if length < 0 {
		b.write([]byte("HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n"))
		return len(data)
	}
	if len(data) < end+length {
		b.need = end + length
		return 0
	}
	body := data[end : end+length]
	if bytes.Contains(body, streamTrue) || bytes.Contains(body, streamSpace) {
		b.sent, b.events = 0, min(max(number(body, maxTokens), 1), len(streamBody)/eventBytes)
		b.due = time.Now()
		silent := b.events == silentEvents
		b.event()
		if b.events > 0 && !silent {
			b.due = b.due.Add(b.server.gap)
			b.server.waiting = append(b.server.waiting, b)
		}
	} else {
		b.whole()
	}
	return end + length
}

func (b *backend) whole() {
	switch wrong := b.server.broken; {
	case wrong.status:
		b.write([]byte("HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"))
	case wrong.text:
		b.write(bytes.Replace(wholeAnswer, []byte("market"), []byte("bridge"), 1))
	case wrong.cut:
		b.write(wholeAnswer[:len(wholeAnswer)-20])
		b.closed = true
		b.poller.close(b.fd)
	default:
		b.write(wholeAnswer)
	}
}

// number is the integer after the name, -1 without one.
func number(data, name []byte) int {
	at := bytes.Index(data, name)
	if at < 0 {
		return -1
	}
	rest := bytes.TrimLeft(data[at+len(name):], " ")
	size := 0
	for size < len(rest) && rest[size] >= '0' && rest[size] <= '9' {
		size++
	}
	value, err := strconv.Atoi(string(rest[:size]))
	if err != nil {
		return -1
	}
	return value
}
