package main

import (
	"slices"
	"time"
)

// pace asks at a fixed rate, whoever is answered or not: a request that no connection was free for
// waits, and its latency is counted from when it was due.
type pace struct {
	caller  *caller
	free    []*client
	waiting []time.Time // when each was due
	due     time.Time
	every   time.Duration
	long    *client // asks with a very long prompt, beside the others
	longDue time.Time
	each    time.Duration
}

func newPace(caller *caller, rate, longs float64) *pace {
	here := &pace{caller: caller, every: time.Duration(float64(time.Second) / rate), due: time.Now()}
	if longs > 0 {
		here.each, here.longDue = time.Duration(float64(time.Second)/longs), time.Now()
		here.long = &client{caller: caller, number: -1, long: longRequest(caller.header)}
		caller.pace = here
		here.long.begin(0)
	}
	return here
}

// ask sends what is due; how long until the next is.
func (p *pace) ask(now time.Time) time.Duration {
	for !p.due.After(now) {
		if last := len(p.free) - 1; last >= 0 {
			client := p.free[last]
			p.free = p.free[:last]
			client.idle = false
			client.ask(p.caller.events, p.due)
		} else {
			p.waiting = append(p.waiting, p.due)
		}
		p.due = p.due.Add(p.every)
	}
	if p.long == nil {
		return p.due.Sub(now)
	}
	if !p.longDue.After(now) {
		p.longDue = p.longDue.Add(p.each)
		if p.long.idle { // else the last is still in work
			p.long.idle = false
			p.long.ask(0, now)
		}
	}
	return min(p.due.Sub(now), p.longDue.Sub(now))
}

// done takes a client that is answered, or new.
func (p *pace) done(client *client) {
	if client.long == nil && len(p.waiting) > 0 {
		due := p.waiting[0]
		p.waiting = p.waiting[1:]
		client.ask(p.caller.events, due)
		return
	}
	client.idle = true
	if client.long == nil {
		p.free = append(p.free, client)
	}
}

// gone forgets a client whose connection ended while it had nothing to ask.
func (p *pace) gone(client *client) {
	client.idle = false
	if at := slices.Index(p.free, client); at >= 0 {
		p.free = slices.Delete(p.free, at, at+1)
	}
}

// end counts those that still wait with the time they have waited so far.
func (p *pace) end(ended time.Time) {
	for _, due := range p.waiting {
		p.caller.latencies = append(p.caller.latencies, ended.Sub(due))
	}
}
