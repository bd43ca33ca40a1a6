#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The demo shop: writes its pages into a folder, the same bytes every time.
#
#     demo/site.pl FOLDER

use strict;
use warnings;
use utf8;

use Encode qw(encode);
use File::Path qw(make_path);

my $folder = shift or die "usage: $0 FOLDER\n";
my $seed = 20261201;

my %words = (
    'zh-CN' => {
        shop => '山茶小铺', line => '一间做好茶的小店', home => '首页', catalogue => '全部好茶', book => '茶书',
        hours => '营业时间', legal => '法律声明', old => '旧版页面', login => '登录', other => 'English', otherhref => '/en/',
        hello => '今年的春茶到了', intro => '我们每年三月进山,与茶农一起采摘、炒制,再把茶寄到您手里。',
        buy => '加入购物车', visit => '到店坐坐', map => '地图', price => '元',
        footer => '山茶小铺 · 杭州市西湖区满觉陇路 12 号',
        hint => '这是演示站点:它的后端设置五个 Cookie,由 nginx 按照您的选择放行或拦下。页面里还有第三方脚本、框架和像素。',
    },
    en => {
        shop => 'Camellia Tea', line => 'A small shop for good tea', home => 'Home', catalogue => 'All teas',
        book => 'The tea book',
        hours => 'Opening hours', legal => 'Legal', old => 'An old page', login => 'Log in', other => '中文', otherhref => '/',
        hello => 'This year’s spring tea has arrived',
        intro => 'Every March we go up the hill, pick and fire the leaves with the farmers, and send them to you.',
        buy => 'Add to basket', visit => 'Come and sit down', map => 'Map', price => 'CNY',
        footer => 'Camellia Tea · 12 Manjuelong Road, Hangzhou',
        hint => 'This is a demonstration: its backend sets five cookies, and nginx lets them through, or not, as you '
            . 'choose. Its pages also carry a third-party script, a frame and pixels.',
    },
);

my @teas = (
    ['龙井', 'Longjing', '豆香清雅,入口微甜', 'Chestnut and spring grass, a little sweet'],
    ['碧螺春', 'Biluochun', '花果香,汤色嫩绿', 'Blossom and fruit, a tender green cup'],
    ['铁观音', 'Tieguanyin', '兰花香,回甘持久', 'Orchid, and a long sweet finish'],
    ['大红袍', 'Dahongpao', '岩骨花香,焙火沉稳', 'Rock and flowers, steady roast'],
    ['白毫银针', 'Silver Needle', '毫香蜜韵,清凉柔和', 'Honey and down, cool and soft'],
    ['正山小种', 'Lapsang Souchong', '松烟香,桂圆汤味', 'Pine smoke, dried longan'],
    ['普洱熟茶', 'Ripe Pu’er', '陈香醇厚,顺滑', 'Old wood, full and smooth'],
    ['茉莉花茶', 'Jasmine', '七窨一提,鲜灵持久', 'Scented seven times, bright and lasting'],
);

make_path("$folder/en");
put('style.css', style());
put('index.html', home('zh-CN'));
put('en/index.html', home('en'));
put('hours.html', hours('zh-CN'));
put('en/hours.html', hours('en'));
put('catalogue.html', catalogue('zh-CN', 32_000));
put('en/catalogue.html', catalogue('en', 32_000));
put('book.html', book('zh-CN', 1_000_000));
put('en/book.html', book('en', 1_000_000));
put('legal.html', legal('zh-CN'));
put('en/legal.html', legal('en'));
put('login.html', login('zh-CN'));
put('en/login.html', login('en'));
put('404.html', missing());
put('old.html', old(), 'gbk');


# A generator of our own: perl's rand differs between machines.
sub chance {
    my ($n) = @_;

    $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
    return ($seed >> 8) % $n;
}


sub put {
    my ($name, $text, $encoding) = @_;

    open my $out, '>:raw', "$folder/$name" or die "$folder/$name: $!\n";
    print $out encode($encoding || 'UTF-8', $text);
    close $out or die "$folder/$name: $!\n";
}


sub page {
    my ($language, $path, $title, $body, %also) = @_;

    my $w = $words{$language};
    my $base = $language eq 'en' ? '/en/' : '/';
    my $here = $also{here} // '';
    my $links = join "\n", map {
        my ($href, $name) = @$_;
        my $current = $href eq "$base$path" ? ' aria-current="page"' : '';
        qq(<a href="$href"$current>$name</a>);
    } [$base, $w->{home}], ["${base}catalogue", $w->{catalogue}], ["${base}book", $w->{book}],
        ["${base}hours", $w->{hours}], ["${base}legal", $w->{legal}], ["${base}login", $w->{login}],
        [$w->{otherhref} . $path, $w->{other}];

    my $head = $also{head} // '';
    my $tail = $also{tail} // '';
    return <<"END";
<!DOCTYPE html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · $w->{shop}</title>
<link rel="stylesheet" href="/style.css">
$head</head>
<body>
<header class="top">
<a class="brand" href="$base">$w->{shop}</a>
<nav>
$links
</nav>
</header>
<main>
$body</main>
<footer class="end"><p>$w->{footer}</p></footer>
$tail</body>
</html>
END
}


# The things that a gate has to know of: script, frame, pixel, and a pixel for browsers without scripts.
sub third_party {
    return (
        head => qq(<script src="https://ads.example.net/tag.js?shop=camellia" async></script>\n),
        tail => qq(<img src="https://stats.example.net/pixel.gif?page=home" width="1" height="1" alt="">\n)
            . qq(<noscript><img src="https://ads.example.net/noscript.gif?shop=camellia" width="1" height="1" alt="">)
            . "</noscript>\n",
    );
}


sub home {
    my ($language) = @_;

    my $w = $words{$language};
    my $cards = join '', map { card($language, $_) } 0 .. 3;
    return page($language, '', $w->{home}, <<"END", third_party());
<section class="hero">
<p class="line">$w->{line}</p>
<h1>$w->{hello}</h1>
<p>$w->{intro}</p>
<p class="hint">$w->{hint}</p>
</section>
<section class="grid">
$cards</section>
<section class="visit">
<h2>$w->{visit}</h2>
<iframe title="$w->{map}" src="https://map.example.org/embed?q=30.2319,120.1255" loading="lazy"></iframe>
</section>
END
}


sub card {
    my ($language, $i) = @_;

    my $w = $words{$language};
    my $tea = $teas[$i % @teas];
    my ($name, $taste) = $language eq 'en' ? @$tea[1, 3] : @$tea[0, 2];
    my $price = 48 + 10 * chance(30);
    my $year = 2020 + chance(7);
    my $hue = 60 + 12 * ($i % 8);
    return <<"END";
<article class="tea" data-tea="$i" data-year="$year">
<svg viewBox="0 0 120 80" role="img" aria-label="$name">
<path class="leaf hue$hue" d="M10 70C20 20 70 5 110 10 105 50 60 80 10 70Z"/><path class="vein" d="M10 70Q60 45 104 14"/>
</svg>
<h3>$name <small>$year</small></h3>
<p>$taste</p>
<p class="price"><b>$price</b> $w->{price} / 100 g</p>
<form method="get" action="#basket"><button type="submit" name="tea" value="$i">$w->{buy}</button></form>
</article>
END
}


# About 2 KB.
sub hours {
    my ($language) = @_;

    my $w = $words{$language};
    my @days = $language eq 'en' ? qw(Monday Tuesday Wednesday Thursday Friday Saturday Sunday)
        : qw(星期一 星期二 星期三 星期四 星期五 星期六 星期日);
    my $closed = $language eq 'en' ? 'closed' : '休息';
    my $rows = '';
    for my $i (0 .. 6) {
        $rows .= "<tr><th scope=\"row\">$days[$i]</th><td>" . ($i == 0 ? $closed : $i < 5 ? '10:00–19:00' : '9:30–21:00')
            . "</td></tr>\n";
    }
    my $tasting = join '', map { '<li>' . sentence($language) . "</li>\n" } 1 .. 2;
    return page($language, 'hours', $w->{hours},
        "<h1>$w->{hours}</h1>\n<table>\n$rows</table>\n<p>$w->{intro}</p>\n<ul>\n$tasting</ul>\n", third_party());
}


sub catalogue {
    my ($language, $bytes) = @_;

    my $w = $words{$language};
    my ($cards, $i) = ('', 0);
    while (length encode('UTF-8', $cards) < $bytes - 1600) {
        $cards .= card($language, $i++);
    }
    return page($language, 'catalogue', $w->{catalogue},
        "<h1>$w->{catalogue}</h1>\n<section class=\"grid\">\n$cards</section>\n", third_party());
}


sub book {
    my ($language, $bytes) = @_;

    my $w = $words{$language};
    my ($text, $chapter, $length) = ('', 0, 0);
    while ($length < $bytes - 1600) {
        $chapter++;
        my $part = chapter($language, $chapter);
        $length += length encode('UTF-8', $part);
        $text .= $part;
    }
    return page($language, 'book', $w->{book}, "<h1>$w->{book}</h1>\n$text", third_party());
}


sub chapter {
    my ($language, $n) = @_;

    my $title = $language eq 'en' ? "Chapter $n" : "第 $n 章";
    my $text = qq(<section id="c$n" class="chapter" data-n="$n">\n<h2><a href="#c$n">$title</a></h2>\n);
    for my $paragraph (1 .. 3 + chance(4)) {
        $text .= qq(<p class="p$paragraph" id="c$n-$paragraph">);
        $text .= sentence($language) for 1 .. 3 + chance(5);
        $text .= "</p>\n";
    }
    $text .= qq(<!-- </body> is only text here -->\n) if $n % 50 == 0;
    return "$text</section>\n";
}


sub sentence {
    my ($language) = @_;

    my $tea = $teas[chance(scalar @teas)];
    my $minutes = 1 + chance(5);
    my $degrees = 75 + 5 * chance(6);
    my $anchor = chance(90) + 1;

    return qq(Take <a href="#c$anchor" title="see &quot;$tea->[1]&quot;">$tea->[1]</a>, water of <b>$degrees °C</b>, )
        . qq(and <i class="time">$minutes min</i>: $tea->[3]. ) if $language eq 'en';
    return qq(取<a href="#c$anchor" title="参见 &quot;$tea->[0]&quot;">$tea->[0]</a>,<b>$degrees °C</b> 的水,)
        . qq(静置<i class="time">$minutes 分钟</i>:$tea->[2]。);
}


# The policy itself inside an ordinary page of the shop.
sub legal {
    my ($language) = @_;

    my $w = $words{$language};
    return page($language, 'legal', $w->{legal}, <<"END");
<h1>$w->{legal}</h1>
<p data-privacy="version"></p>
<div data-privacy="policy"></div>
<h2>Cookie</h2>
<div data-privacy="cookies"></div>
<p><span data-privacy="settings"></span></p>
END
}


sub login {
    my ($language) = @_;

    my $w = $words{$language};
    my ($as, $out) = $language eq 'en' ? ('as', 'Log out') : ('身份:', '退出登录');
    return page($language, 'login', $w->{login}, <<"END");
<h1>$w->{login}</h1>
<p><a class="button" href="/login?user=alice">$w->{login} $as Alice</a>
<a class="button" href="/login?user=bob">$w->{login} $as Bob</a>
<a class="button" href="/logout">$out</a></p>
END
}


sub missing {
    return page('zh-CN', '404', '没有这一页', "<h1>没有这一页</h1>\n<p>Not found. 这个地址没有内容,但后端照样想要设置 Cookie。</p>\n");
}


# A page from another time: GBK, a table for layout, upper-case tags, no doctype.
sub old {
    my $rows = join '', map {
        "<TR><TD WIDTH=120>$teas[$_][0]<TD>$teas[$_][2]<TD ALIGN=right>" . (48 + 10 * chance(30)) . " 元\n"
    } 0 .. $#teas;
    return <<"END";
<HTML>
<HEAD>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=gbk">
<TITLE>山茶小铺 - 旧版价目表</TITLE>
</HEAD>
<BODY BGCOLOR="#FFFFF0">
<H1>山茶小铺价目表</H1>
<TABLE BORDER=1 CELLPADDING=6>
$rows</TABLE>
<P>本页为二〇〇三年制作,编码为 GBK。
<P><A HREF="/">返回新版首页</A>
</BODY>
</HTML>
END
}


sub style {
    my $hues = join '', map { ".hue$_ { fill: hsl($_ 45% 42%); }\n" } map { 60 + 12 * $_ } 0 .. 7;
    return <<"END";
:root { --ink: #22302a; --paper: #fbfaf5; --leaf: #2f6b4f; --line: #dcd8ca; --soft: #f0eee3; color-scheme: light dark; }
\@media (prefers-color-scheme: dark) {
    :root { --ink: #e6e9e2; --paper: #151a17; --leaf: #7fc7a0; --line: #333b35; --soft: #1d2420; }
}
* { box-sizing: border-box; }
body {
    margin: 0; background: var(--paper); color: var(--ink);
    font: 1rem/1.7 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
}
a { color: var(--leaf); }
.top {
    display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: baseline; padding: 1rem clamp(1rem, 5vw, 4rem);
    border-bottom: 1px solid var(--line);
}
.brand { font-size: 1.4rem; font-weight: 700; text-decoration: none; letter-spacing: .08em; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.2rem; }
nav a { text-decoration: none; padding: .2rem 0; }
nav a[aria-current] { border-bottom: 2px solid; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem clamp(1rem, 5vw, 2rem) 4rem; }
h1 { font-size: clamp(1.7rem, 4vw, 2.6rem); line-height: 1.25; margin: .2em 0 .6em; }
.hero { padding: 2rem 0; max-width: 44rem; }
.line { color: var(--leaf); letter-spacing: .12em; margin: 0; }
.hint { background: var(--soft); border-inline-start: 4px solid var(--leaf); padding: .8rem 1rem; border-radius: .3rem; }
.grid { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
.tea { background: var(--soft); border: 1px solid var(--line); border-radius: .8rem; padding: 1rem; }
.tea svg { width: 100%; height: 6rem; }
.vein { fill: none; stroke: var(--paper); stroke-width: 1.5; }
.tea h3 { margin: .4rem 0 0; }
.tea p { margin: .2rem 0; }
small { font-weight: 400; opacity: .7; }
button, .button {
    font: inherit; color: var(--paper); background: var(--leaf); border: 0; border-radius: .4rem;
    padding: .45rem 1rem; cursor: pointer; text-decoration: none; display: inline-block; margin: .3rem .3rem 0 0;
}
.visit iframe { width: 100%; height: 16rem; border: 1px solid var(--line); border-radius: .8rem; background: var(--soft); }
table { border-collapse: collapse; }
th, td { padding: .4rem 1rem .4rem 0; text-align: start; border-bottom: 1px solid var(--line); vertical-align: top; }
.chapter { max-width: 42rem; }
.end { border-top: 1px solid var(--line); padding: 1rem clamp(1rem, 5vw, 4rem) 2rem; opacity: .8; }
$hues
END
}
