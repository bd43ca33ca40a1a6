#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The alerts of docs/operations.md, read from there: what each is about is provoked, and seen in the field and in the
# metric that the table names; none is left out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use JSON::PP ();
use Socket qw(SOCK_STREAM);
use Test::More;
use Test::Privacy;
use Test::Privacy::Events;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('alerts');
my $b = Test::Privacy->new('alerts_b');
my $redis = $t->redis;
my $site = $t->site;

# What the tables name: field => metrics of its row. One that stands there twice has a number behind it.

my ($section) = slurp($t->root . '/docs/operations.md') =~ /^## Monitoring and alerts\n(.*?)(?=^## |\z)/ms;
my (%row, %shown);
for my $line (grep { /^\| `/ } split /\n/, $section) {
    my (undef, $when, $metrics) = split / *\| */, $line;
    for my $field ($when =~ /`((?:node|redis|counters|sites\[\])\.[\w.\[\]]+)`/g) {
        $field .= ' 2' if $row{$field};
        $row{$field} = { map { $_ => 1 } $metrics =~ /`(privacy_\w+)`/g };
    }
}
cmp_ok(scalar keys %row, '>', 25, 'alerts are in the docs');

sub status { my ($node) = @_; return json(($node // $t)->get('/status')->body) }
sub field {
    my ($name, $node) = @_;

    my $in = status($node);
    $in = { %$in, counters => $in->{sites}[0]{counters} };
    for my $part (split /\./, $name =~ s/ 2$//r) {
        my $list = $part =~ s/\[\]$//;
        $in = $list ? $in->{$part}[0] : $in->{$part};
    }
    return $in;
}
sub metric {
    my ($name, $node) = @_;
    return (($node // $t)->get('/status?format=prometheus')->body =~ /^$name(?:\{[^}]*\})? (-?\d+)$/m)[0];
}
sub named {
    my ($field, $metric) = @_;
    $shown{$field} = 1;
    ok($row{$field} && (!defined $metric || $row{$field}{$metric}), "$field: stands in the docs") or diag $metric;
}

# It grows when that is done, again and again.
sub grows {
    my ($field, $metric, $what, $provoke) = @_;

    named($field, $metric);
    my @before = (field($field), metric($metric));
    ok(wait_for(sub { $provoke->(); field($field) > $before[0] }, 20), "$what: $field grows");
    cmp_ok(metric($metric), '>', $before[1], "... and $metric");
}

# It is as $wrong says, and the metric as $bad says, once that was done; not before, nor after it was mended. What lasts
# for a moment is done again, until it was seen.
sub turns {
    my ($field, $metric, $what, $wrong, $bad, $provoke, %more) = @_;

    named($field, $metric);
    my $is = sub { local $_ = field($field, $more{node}); return $wrong->() };
    my $says = sub { local $_ = metric($metric, $more{node}); return $bad->() };
    ok(!$is->() && !(defined $metric && $says->()), "$field: all is well") if !$more{always};
    $provoke->();
    for my $seen ([$is, "$what: $field says so"], defined $metric ? [$says, "... and $metric"] : ()) {
        ok(wait_for(sub { my $so = $seen->[0]->(); $more{again}->() if $more{again} && !$so; $so }, 20), $seen->[1]);
    }
    return if !$more{mend};
    $more{mend}->();
    ok(wait_for(sub { !$is->() && !(defined $metric && $says->()) }, 20), '... and no longer when it is over');
}

my $network = 0;
sub address { $network++; return ('X-Real-IP' => join '.', 10, 20 + ($network >> 8), $network & 255, 1) }
sub visitor {
    my $v = $t->visitor(headers => [address()]);
    $v->get('/');
    return $v;
}
sub agreed {
    my $v = visitor();
    $v->choose('accept_all')->status == 303 or die 'no choice';
    return $v;
}
sub ledger { my ($v) = @_; return "privacy:{$site:" . $v->get('/')->header('X-Subject') . '}:ledger' }
sub user { my ($name) = @_; my $v = visitor(); $v->jar->{sessionid} = $name; $v->get('/') for 1 .. 2; return $v }

# Choices that are sent, and whose answers nobody waits for
sub send_choices {
    my ($n) = @_;

    return map {
        my $v = visitor();
        my $body = Test::Privacy::Client::form($v->form, choice => 'accept_all');
        my $client = $t->connect;
        $client->write($client->_format('POST', '/privacy/choices', body => $body, headers => [@{$v->{headers}},
            'Sec-Fetch-Site' => 'same-origin', 'Content-Type' => 'application/x-www-form-urlencoded']));
        $client;
    } 1 .. $n;
}

$redis->start('appendfsync everysec');
$redis->command('ACL', 'SETUSER', 'behind', 'on', '>behind', '~*', '&*', '+@all');
$t->upstream(sub {
    my ($session) = (Test::Privacy::Upstream::header($_[0], 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => ['Content-Type' => 'text/html', $session ? ('X-Privacy-User' => $session) : (),
        $_[0]{uri} =~ /shared/ ? ('Cache-Control' => 'public, max-age=60') : ()],
        body => '<!doctype html><html><head><title>t</title></head><body>hi</body></html>' };
});
my $config = site_conf(<<'CONF', http => 'privacy_streams 1 total=1;') =~ s/%%PRIVACY%%/%%BEGIN%%/r;
    privacy_lease 1s grace=2s;
    add_header X-Subject "$privacy_subject" always;
    add_header X-Consent "<$privacy_consent>" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
sub begin {
    my ($node, $url, @more) = @_;
    return join "\n    ", 'privacy_zone 1m;', "privacy_redis $url;", 'privacy_keys ' . $node->dir . '/keys/keys;',
        'privacy_cache_path ' . $node->dir . '/cache;', @more;
}
$t->publish($t->bundle);
$t->allow(qr/connect\(\) to unix:.*failed/);
$t->config($config, BEGIN => begin($t, $redis->url));
$t->start;

# What visitors, applications and strangers do

grows('counters.users_ignored', 'privacy_users_ignored_total', 'a user in a response for all',
    sub { $t->get('/shared', Cookie => 'sessionid=alice') });
grows('counters.cookies_invalid', 'privacy_cookies_invalid_total', 'a forged cookie',
    sub { $t->get('/', Cookie => 'privacy=' . 'x' x 120) });
grows('counters.choice_flooding', 'privacy_choice_flooding_total', 'choices by script',
    sub { $t->post('/privacy/choices', { choice => 'accept_all' }, 'X-Real-IP' => '10.9.9.1') for 1 .. 40 });
my $alice = user('alice');
my $stream;
turns('node.streams', 'privacy_streams', 'a stream', sub { $_ >= field('node.streams_total') }, sub { $_ >= 1 },
    sub { $stream = events($alice) });
named('node.streams_total');
grows('counters.streams_refused', 'privacy_streams_refused_total', 'and one more',
    sub { is(events(user('bob'))->status, 503, 'is refused') });
$stream->close;

# The zone

my $first = agreed();
my ($looked) = field('counters.lease_refreshed');
turns('node.zone_free', 'privacy_zone_free_bytes', 'more subjects than the zone holds', sub { $_ == 0 },
    sub { $_ == 0 }, sub {
        my ($c, %form);
        for my $n (1 .. 4000) {
            ($c, %form) = ($t->connect, visitor()->form) if $n % 200 == 1;
            $c->request('POST', '/privacy/choices', body => { %form, choice => 'accept_all' },
                headers => [address(), 'Sec-Fetch-Site' => 'same-origin'])->status == 303 or die "choice $n";
            last if $n % 200 == 0 && field('node.zone_free') == 0;
        }
    });
named('node.zone_free', 'privacy_zone_size_bytes');
ok(wait_for(sub { $first->get('/')->header('X-Consent') eq '<analytics,marketing>' }, 20), '... who was first agrees');
ok(wait_for(sub { sleep 0.2; $first->get('/'); field('counters.lease_refreshed') > $looked }, 20), '... as is looked up');
$redis->command('CONFIG', 'SET', 'appendfsync', 'always');

# What Redis has

my $v = agreed();
$redis->command('DEL', ledger($v));
grows('counters.ledger_missing', 'privacy_ledger_missing_total', 'a ledger is gone', sub { sleep 0.3; $v->get('/') });
$v = agreed();
my $record = $redis->command('HGET', ledger($v), 1);
substr($record, -1) ^= "\x01";
$redis->command('HSET', ledger($v), 1, $record);
grows('counters.ledger_damaged', 'privacy_ledger_damaged_total', 'one was changed', sub { sleep 0.3; $v->get('/') });
spew($t->dir . '/notice.json', JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
    map { $_ => { title => 'T', summary => 'S' } } qw(en zh-CN) } }));
my ($failed, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', $t->keys_dir . "/$site.key", '--public', '--yes',
    $t->dir . '/notice.json');
is($failed, 0, 'a notice') or diag $out;
ok(wait_for(sub { field('sites[].notices.number') == 1 }, 20), '... is known');
turns('sites[].notices.lost', 'privacy_notices_lost', 'Redis loses it', sub { $_ }, sub { $_ == 1 },
    sub {
        $redis->command('DEL', "privacy:$site:notices");
        $redis->command('PUBLISH', "privacy:$site:events", 'noticed 1');
    });
grows('counters.notices_refused', 'privacy_notices_refused_total', 'something unsigned stands among the notices', sub {
    eval { $redis->command('XADD', "privacy:$site:notices", '2-0', 'sealed', 'nonsense') };
    $redis->command('PUBLISH', "privacy:$site:events", 'noticed 2');
});

# How Redis is set, how fast it is

turns('redis.warning', 'privacy_redis_warning', 'it may evict', sub { $_ ne '' }, sub { $_ == 1 },
    sub {
        $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
        $redis->command('CLIENT', 'KILL', 'TYPE', 'normal');
    }, mend => sub { $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction') });
grows('redis.reconnects', 'privacy_redis_reconnects_total', 'connections are cut',
    sub { sleep 1.1; $redis->command('CLIENT', 'KILL', 'TYPE', 'normal'); $t->get('/') });
ok(wait_for(sub { field('redis.connected') }, 20), '... and made again');
turns('redis.latency_ms', 'privacy_redis_latency_milliseconds', 'it is slow', sub { $_ > 50 }, sub { $_ > 50 }, sub {
    for (1 .. 5) {
        my $idle = IO::Socket::UNIX->new(Peer => $redis->socket, Type => SOCK_STREAM) or die $!;
        my $slow = visitor();
        print {$idle} "DEBUG SLEEP 0.4\r\n";
        $idle->flush;
        $slow->choose('accept_all');
        last if field('redis.latency_ms') > 50;
    }
});

# It hangs, it is gone

my $granted = agreed();
my @sent;
turns('redis.in_flight', 'privacy_redis_in_flight', 'it hangs', sub { $_ >= 3 }, sub { $_ >= 3 },
    sub { @sent = send_choices(3); $redis->pause; push @sent, send_choices(3) },
    again => sub { push @sent, send_choices(3) });
grows('redis.timed_out', 'privacy_redis_timed_out_total', 'it hangs', sub { $granted->get('/') });
grows('counters.lease_failed', 'privacy_lease_failed_total', 'states cannot be looked up',
    sub { sleep 0.2; $granted->get('/') });
grows('counters.lease_expired', 'privacy_lease_expired_total', '... past the grace',
    sub { sleep 0.2; $granted->get('/') });
$redis->resume;
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), 'it goes on');
sleep 1.1;
@sent = ();
my $kill = sub { $redis->kill; push @sent, send_choices(3) };
turns('redis.queued', 'privacy_redis_queued', 'it is gone', sub { $_ >= 1 }, sub { $_ >= 1 }, $kill, again => sub {
    $redis->start;
    wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20);
    sleep 1.1;
    $kill->();
});
turns('redis.connected', 'privacy_redis_connected', 'it is gone', sub { !$_ }, sub { $_ == 0 }, sub { }, always => 1);
turns('redis.endpoints[].connected', 'privacy_redis_endpoint_connected', 'it is gone', sub { !$_ }, sub { $_ == 0 },
    sub { }, always => 1);
turns('redis.endpoints[].connected', 'privacy_redis_endpoint_breaker_open', 'it is gone',
    sub { field('redis.endpoints[].breaker') ne 'closed' }, sub { $_ == 1 }, sub { }, always => 1);
grows('counters.choice_unavailable', 'privacy_choice_unavailable_total', 'a choice meanwhile',
    sub { visitor()->choose('accept_all') });
isnt(field('redis.last_error'), 'ok', '... of which the status says why');
grows('redis.refused', 'privacy_redis_refused_total', 'a choice that is not even sent',
    sub { visitor()->choose('accept_all') });
$redis->start;
ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), 'it is back');

# Nodes that are behind

sub published { my ($node) = @_; return field('sites[].sequence', $node) }
system('cp', '-a', $t->keys_dir, $b->dir . '/keys') == 0 or die 'no keys for the second node';
$b->config($config, BEGIN => begin($b, $redis->url . '?user=behind&password=behind'),
    UPSTREAM => 'http://unix:' . $t->dir . '/upstream.sock:');
$redis->command('ACL', 'SETUSER', 'behind', 'on', '>behind', '~*', '&*', '+@all');
$b->start;
ok(wait_for(sub { published($b) == 1 && field('sites[].subscribed', $b) }, 20), 'another node');
turns('sites[].subscribed', 'privacy_events_heard', 'it is not woken', sub { !$_ }, sub { $_ == 0 }, sub {
    $redis->command('ACL', 'SETUSER', 'behind', 'resetchannels');
    $redis->command('CLIENT', 'KILL', 'USER', 'behind');
}, node => $b);
$redis->command('ACL', 'SETUSER', 'behind', '-xrange');
my $synced = field('sites[].last_sync', $b);
sleep 1.1;
turns('sites[].last_error', undef, 'it may not read the log', sub { $_ ne '' }, undef, sub {
    $redis->command('ACL', 'SETUSER', 'behind', '&*');
    $t->publish($t->bundle(version => '2', changes => [{ kind => 'editorial',
        summary => { en => 'W', 'zh-CN' => 'W' } }]));
}, node => $b);
turns('sites[].sequence 2', 'privacy_policy_sequence', 'a version is published', sub { $_ != published($t) },
    sub { $_ != metric('privacy_policy_sequence') }, sub { }, node => $b, always => 1);
is(published($t), 2, '... which the first one has');
cmp_ok(field('sites[].last_sync'), '>', $synced, '... and looked when it was');
is(field('sites[].last_sync', $b), $synced, '... while it looked for the last time before');
named('sites[].last_sync');
$redis->command('ACL', 'SETUSER', 'behind', '+xrange');
ok(wait_for(sub { published($b) == 2 && field('sites[].last_error', $b) eq '' }, 40), 'it may: it has it, too');
$b->stop;
system('rm', '-rf', glob $b->dir . '/cache/*');
$b->config($config, BEGIN => begin($b, 'unix:' . $b->dir . '/none'),
    UPSTREAM => 'http://unix:' . $t->dir . '/upstream.sock:');
delete $b->{published};
$b->start;
turns('sites[].sequence', 'privacy_policy_sequence', 'a node that knows nothing', sub { $_ == 0 }, sub { $_ == 0 },
    sub { }, node => $b, always => 1);
$b->stop;
$b->allow(qr/connect\(\) to unix:.*failed|no policy/);
is_deeply([$b->problems], [], 'nothing alarming there');
$b->{finished} = $b->{clean} = 1;

# Replicas that are not there

$t->config($config, BEGIN => begin($t, $redis->url, 'privacy_durability replicas=1;'));
$t->reload;
turns('redis.durability.waiting', 'privacy_redis_waiting', 'no replica', sub { $_ >= 1 }, sub { $_ >= 1 },
    sub { @sent = send_choices(3) }, again => sub { push @sent, send_choices(3) });
grows('redis.durability.short', 'privacy_redis_short_total', 'a choice that no replica has',
    sub { is(visitor()->choose('accept_all')->status, 503, 'is not acknowledged') });

# Redis is emptied

turns('sites[].log_missing', 'privacy_policy_log_missing', 'it is emptied', sub { $_ }, sub { $_ == 1 },
    sub { $redis->command('FLUSHALL'); $redis->command('PUBLISH', "privacy:$site:events", 'published 3') });

# Slots that are moved need a cluster
$shown{'redis.redirected'} = slurp($t->root . '/t/cluster.t') =~ /privacy_redis_redirected_total/;

is_deeply([grep { !$shown{$_} } sort keys %row], [], 'every alert was shown');
$t->allow(qr/does not verify|lost|is refused|no sealed notice/);
$t->finish;
