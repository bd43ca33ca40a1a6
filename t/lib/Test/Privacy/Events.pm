package Test::Privacy::Events;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A stream of server-sent events (HTTP/1.1), as EventSource opens it.
#
#     my $s = events($visitor, last => '7-3');        # Last-Event-ID; query => '?...', headers => [...], rcvbuf => bytes
#     $s->status; $s->header('Content-Type');
#     my $event = $s->next('notice', 10);             # the next one of that name: { event, id, data, retry, json }; undef
#     $s->comments;                                   # how many came
#     $s->quiet(0.5);                                 # what came of any name in that time: a list
#     $s->came('notice', 3, 0.5);                     # three of that name are waited for; what came until then, and in
#                                                     # that time after it
#     $s->ended(10);                                  # the server closed it
#     $s->close;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time);

use Test::Privacy::Client;

our @EXPORT = qw(events);


sub events {
    my ($visitor, %options) = @_;

    my $self = bless { buffer => '', text => '', came => [], peer => $options{peer} || $visitor->{peer} }, __PACKAGE__;
    my ($host, $port) = split /:/, $self->{peer};
    socket($self->{socket}, Socket::PF_INET(), Socket::SOCK_STREAM(), 0) or die "socket: $!";
    setsockopt($self->{socket}, SOL_SOCKET, SO_RCVBUF, $options{rcvbuf}) if $options{rcvbuf};
    connect($self->{socket}, Socket::pack_sockaddr_in($port, Socket::inet_aton($host))) or die "connect: $!";

    my %headers = (Accept => 'text/event-stream', 'Sec-Fetch-Site' => 'same-origin', 'Sec-Fetch-Mode' => 'cors',
        'Sec-Fetch-Dest' => 'empty', @{$visitor->{headers}},
        %{$visitor->{jar}} ? (Cookie => join '; ', map { "$_=$visitor->{jar}{$_}" } sort keys %{$visitor->{jar}}) : (),
        defined $options{last} ? ('Last-Event-ID' => $options{last}) : (), @{$options{headers} || []});
    syswrite $self->{socket}, join "\r\n", ($options{method} || 'GET') . ' /privacy/events' . ($options{query} // '')
        . ' HTTP/1.1', "Host: $self->{peer}",
        map({ "$_: $headers{$_}" } sort keys %headers), '', '';
    return $self if $options{rcvbuf};

    my $deadline = time + 20;
    while ($self->{buffer} !~ /\r\n\r\n/) {
        $self->_more($deadline) or die "no answer to GET events: $self->{buffer}";
    }
    $self->{buffer} =~ s/^(.*?)\r\n\r\n//s;
    $self->{response} = Test::Privacy::Response->head($1);
    $self->_parse;
    return $self;
}


sub status { $_[0]{response}->status }
sub header { $_[0]{response}->header($_[1]) }
sub last   { $_[0]{last} // '' }
sub comments { $_[0]{comments} // 0 }


sub next {
    my ($self, $name, $seconds) = @_;

    my $deadline = time + ($seconds || 20);
    while (1) {
        while (my $event = shift @{$self->{came}}) {
            return $event if $event->{event} eq $name;
        }
        $self->_more($deadline) or return;
    }
}


sub quiet {
    my ($self, $seconds) = @_;

    my $deadline = time + $seconds;
    1 while $self->_more($deadline);
    return splice @{$self->{came}};
}


sub came {
    my ($self, $name, $n, $seconds) = @_;

    my $deadline = time + 20;
    while ($n > grep { $_->{event} eq $name } @{$self->{came}}) {
        $self->_more($deadline) or last;
    }
    return $self->quiet($seconds);
}


sub ended {
    my ($self, $seconds) = @_;

    my $deadline = time + ($seconds || 20);
    1 while $self->_more($deadline);
    return $self->{closed};
}


sub close { close $_[0]{socket} }


# Reads something; 0: it ended, or time ran out and nothing is there.
sub _more {
    my ($self, $deadline) = @_;

    my $left = $deadline - time;
    return 0 if $self->{closed} || !IO::Select->new($self->{socket})->can_read($left > 0 ? $left : 0);
    my $n = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
    $self->{closed} = 1 if !$n;
    $self->_parse if $self->{response};
    return 1;
}


# Takes whole events out of whole chunks.
sub _parse {
    my ($self) = @_;

    while ($self->{buffer} =~ /^([0-9a-fA-F]+)\r\n/ && length $self->{buffer} >= hex($1) + length($1) + 4) {
        my $length = length $1;
        my $size = hex $1;
        $self->{text} .= substr $self->{buffer}, $length + 2, $size;
        substr $self->{buffer}, 0, $length + $size + 4, '';
        $self->{closed} = 1 if $size == 0;
    }
    $self->_event($1) while $self->{text} =~ s/^(.*?)\n\n//s;
}


# As the standard reads it: what is no field is nothing, a comment neither.
sub _event {
    my ($self, $text) = @_;

    my %event = (event => 'message', text => $text);
    $self->{comments}++ if $text =~ /^:/m;
    for (split /\r\n|\n|\r/, $text) {
        my ($name, $value) = /^([a-z]+)(?::[ ]?(.*))?$/s or next;
        $event{data} = defined $event{data} ? "$event{data}\n$value" : $value if $name eq 'data';
        $event{$name} = $value if $name =~ /^(?:id|event|retry)$/;
    }
    $self->{last} = $event{id} if defined $event{id};
    return if !defined $event{data};
    $event{json} = eval { JSON::PP->new->utf8->decode($event{data}) };
    push @{$self->{came}}, \%event;
}


1;
