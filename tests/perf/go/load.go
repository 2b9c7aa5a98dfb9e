package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	mostErrors = 1000
	stalled    = 2 * time.Second
)

// Result is what one window saw; everything counted was compared with what had to come.
type Result struct {
	Answers  int      `json:"answers"`
	Chunks   int      `json:"chunks"`
	Errors   int      `json:"errors"`
	Samples  []string `json:"error_samples"`
	Redials  int      `json:"redials"`
	ElapsedS float64  `json:"elapsed_s"`
	P50Us    float64  `json:"p50_us"` // of whole answers; of streams to the first event
	P99Us    float64  `json:"p99_us"`
	GapP99Us float64  `json:"gap_p99_us"` // between two events of a stream
	CPUS     float64  `json:"load_cpu_s"`
}

type caller struct {
	poller    *poller
	port      int
	kind      string
	events    int
	first     []byte // shorter streams first, so that not all end at once
	again     []byte
	result    Result
	latencies []time.Duration
	gaps      []time.Duration
	counting  bool
}

// client is one connection that asks again as soon as it is answered.
type client struct {
	writer
	caller *caller
	number int
	asked  time.Time
	last   time.Time
	answer answer
}

func load(arguments []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	port := flags.Int("port", 0, "of the loopback")
	connections := flags.Int("connections", 32, "at once")
	kind := flags.String("kind", "whole", "whole or stream")
	events := flags.Int("events", 200, "of one stream")
	warm := flags.Duration("warm", 300*time.Millisecond, "before the window")
	window := flags.Duration("window", time.Second, "that is measured")
	flags.Parse(arguments)
	if *window > time.Minute || *warm > time.Minute || *connections > 4096 || *events > len(streamBody)/eventBytes {
		fail("at most a minute each, 4,096 connections, %d events", len(streamBody)/eventBytes)
	}
	here := &caller{poller: newPoller(), port: *port, kind: *kind, events: *events}
	here.again = request(*kind, *events)
	clients := make([]*client, *connections)
	for number := range clients {
		clients[number] = &client{caller: here, number: number}
		clients[number].begin(1 + *events*number / *connections)
	}
	here.runUntil(time.Now().Add(*warm))
	kept := here.result.Errors
	here.result = Result{Errors: kept, Samples: here.result.Samples, Redials: here.result.Redials}
	here.latencies, here.gaps, here.counting = make([]time.Duration, 0, 1<<20), nil, true
	started, before := time.Now(), cpu()
	fmt.Println("go")
	here.runUntil(started.Add(*window))
	ended := time.Now()
	fmt.Println("stop")
	here.result.ElapsedS = ended.Sub(started).Seconds()
	here.result.CPUS = cpu() - before
	here.report(clients, ended)
}

func (c *caller) runUntil(end time.Time) {
	for c.result.Errors < mostErrors {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		c.poller.wait(left)
	}
}

func (c *caller) report(clients []*client, ended time.Time) {
	for _, each := range clients {
		if ended.Sub(each.last) > stalled {
			c.wrong("connection %d has heard nothing for %v", each.number, ended.Sub(each.last))
		}
	}
	c.result.P50Us, c.result.P99Us = rank(c.latencies, 0.5), rank(c.latencies, 0.99)
	c.result.GapP99Us = rank(c.gaps, 0.99)
	if err := json.NewEncoder(os.Stdout).Encode(c.result); err != nil {
		fail("%v", err)
	}
}

func rank(values []time.Duration, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return float64(values[int(float64(len(values)-1)*share)].Nanoseconds()) / 1000
}

func (c *caller) wrong(text string, values ...any) {
	c.result.Errors++
	if len(c.result.Samples) < 3 {
		c.result.Samples = append(c.result.Samples, fmt.Sprintf(text, values...))
	}
}

// begin dials and asks.
func (c *client) begin(events int) {
	fd, err := dial(c.caller.port)
	if err != nil {
		c.caller.wrong("dial: %v", err)
		c.asked, c.last = time.Now(), time.Now()
		return
	}
	c.writer = writer{poller: c.caller.poller, fd: fd}
	c.poller.add(fd, c)
	c.ask(events)
}

func (c *client) ask(events int) {
	asked := c.caller.again
	if events != c.caller.events {
		asked = request(c.caller.kind, events)
	}
	c.answer = answer{kind: c.caller.kind, events: events}
	c.asked = time.Now()
	c.last = c.asked
	c.write(asked)
}

func (c *client) readable(data []byte) {
	caller := c.caller
	if len(data) == 0 {
		if c.answer.begun {
			caller.wrong("the connection ended within an answer")
		}
		caller.result.Redials++
		c.poller.close(c.fd)
		if caller.result.Errors < mostErrors {
			c.begin(caller.events)
		}
		return
	}
	now := time.Now()
	seen := c.answer.seen
	wrong := c.answer.feed(data)
	if wrong != "" {
		caller.wrong("%s", wrong)
		c.poller.close(c.fd)
		if caller.result.Errors < mostErrors {
			c.begin(caller.events)
		}
		return
	}
	if events := c.answer.seen - seen; events > 0 {
		c.heard(now, events, seen == 0)
	}
	if c.answer.complete {
		if caller.kind == "whole" && caller.counting {
			caller.result.Answers++
			caller.latencies = append(caller.latencies, now.Sub(c.asked))
		} else if caller.counting {
			caller.result.Answers++
		}
		if c.answer.close {
			c.poller.close(c.fd)
			caller.result.Redials++
			c.begin(caller.events)
			return
		}
		c.ask(caller.events)
		return
	}
	c.last = now
}

func (c *client) heard(now time.Time, events int, first bool) {
	caller := c.caller
	if caller.counting {
		caller.result.Chunks += events
		if first {
			caller.latencies = append(caller.latencies, now.Sub(c.asked))
		} else {
			caller.gaps = append(caller.gaps, now.Sub(c.last))
		}
	}
}
