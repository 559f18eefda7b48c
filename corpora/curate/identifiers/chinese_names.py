"""Names of people in Chinese script.

A name is a surname and one or two characters, and any text is full of such sequences; so words around must speak of a person (患者, 姓名：,
医生, 先生, 我叫), or both sides of it be free and its characters those of given names. Words of the dictionary of jieba that begin like a
name (高血压, 于是) are none. Transliterated and minority names go by their middle dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.curate.identifiers.found import Found, near, words
from corpora.curate.identifiers.lists import chinese_words, english_words

HAN = "[一-鿿㐀-䶿]"
# The commonest surnames of the name report of the Ministry of Public Security (2020) and of the Hundred Family Surnames.
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧肖程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎闫余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷"
    "钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐沿梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植"
    "甘景单包司柏宁柯阮桂闵解强柴华车冉房边辜吉饶刁瞿戚丘古米池滕晋苑邬臧畅宫苟全褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠连郜晏栾郁商蒙计喻揭窦迟宇敖糜鄢冷卓花仇艾蓝都巩稽井练仲乐虞卞封竺冼原"
    "官楚佟栗匡宗应台巫鞠帅鹿门杭裘缪茅危湛狄贝禹支宣贲诸钮滑荀羊於惠芮羿储汲邴松富乌巴弓牧隗山蓬郗班仰秋伊暴钭厉戎束幸怀鄂籍苍莘贡劳逄扶宰郦璩寿浦别慎庾终暨居满弘寇禄阙殳沃夔隆师厍勾融"
    "訾毋乜僧桑荆骆凃揣晁麦粟占敬来扈麻祖韶蓟薄印宿蒲邰从索咸蔺阴胥能双闻堵雍郤濮通郏尚农充慕茹习宦鱼容戈衡步国广东利蔚越阚那空沙养须丰巢蒯相后红权逯益桓公幺但付代谌银扬明伏岑保水云昌凤"
    "酆皮嵇元昝呼敏朴南宓干"
)
COMPOUND = "欧阳|太史|端木|上官|司马|东方|独孤|南宫|万俟|闻人|夏侯|诸葛|尉迟|公羊|赫连|澹台|皇甫|宗政|濮阳|公冶|太叔|申屠|公孙|慕容|仲孙|钟离|长孙|宇文|司徒|鲜于|司空|令狐|轩辕|呼延|第五|百里|东郭|南门|拓跋|完颜|歐陽"
TRADITIONAL = "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許傅沈盧蔣賈葉閻鐘汪薑範譚鄒熊陸孔鍾顧錢湯賀賴龔龐蘭陶顏倪嚴溫蘆魯韋畢聶齊莊塗關凌費紀項遊陽衛魏鮑單寧車"
FAMILY = f"(?:{COMPOUND}|[{SURNAMES}{TRADITIONAL}])"
# Characters that given names are made of.
GIVEN = (
    "想伟芳娜秀英敏静丽强磊军洋勇艳杰涛明超霞平刚桂兰玉红志华建国文辉力鹏飞燕玲海波宁宇浩凯健俊帆雪荣丹萍梅琳欣晨博婷云倩瑞龙晶颖佳雷斌岩东莉凤洁春梦璐淑珍瑜雨婧阳利慧兵成坤琴桃翠芬莲彬"
    "峰林鑫宏亮晓小大子天思嘉怡诗涵梓轩萱宸泽沐雅琪瑶瑾萌茜薇岚岳凡帅乐立庆振兴旺福贵富财德忠义仁礼智信孝诚良善贤才学书贞惠婉清香芝蓉菊荷竹松柏杨柳枫桐楠樱莹璇珊珠玥玮珂琦瑛瑄璟昊昕晖晗"
    "晴晔旭旻昱景曦朝星辰月冰霜露泉江河湖润泊洪源淼鸿雁鹤鹰虎豹骏驰腾跃远近长永久恒安康泰和祥吉喜欢悦愉怀恩念爱情心慈悲亚非美欧洲中夏汉唐宋元秦楚赵魏韩齐鲁川蜀京津沪渝生民农工商根本正直"
    "公光耀煌灿烂炎焱炜烨熙煜然燃铁钢铜银金锋锐铭钧钊锦绣绮绪维纲纪继绍承祖宗先世代家声鸣凰麟鲲翔羽翼宙寰乾亨启开发达功业绩伦理论语画棋彤彩虹霓霏霖雯霄迪可君友朋亲姐妹妮娅娇娟娥媛嫣婵婕"
    "妍姝姗姣妙好如意若兮之以亦其行止士石山岭峻岗崇崎田野原土培基垚城壮勤奋进取争胜冠群雄豪逸伯仲叔季孟武韬略谋策哲睿聪悟道仪态容颜璧珏琨琛琼环佩宝贝玛瑙翡碧青蓝紫朱绿白素净纯真实厚朴敦"
    "笃谦逊让恭敬尊誉名禄寿全满盈盛昌隆茂繁荫芽苗蕊蕾花芸芷菱茵菁菲苹莎莺蔓藜藤榕槐楷模栋梁材权柱橙宣寒冬秋暖温煦风电昼晚宵夕曙旦时新旧古今初始终尚高卓越脱出众会同合协助佑护卫保守固坚毅"
    "敢果决断柔宜适闲趣忻旋凌瀚渊深沉潜淳汪澄澈滢漪潇潮涌流沛济渡航舟舰船锚港岸岛阔廷延庭殿堂宫阁楼台亭廊苑园圃森木禾稷粟穗稻麦双彦焕柯仕仙侠俐偲傲儒允克兆典冉凝刘則励勋北千卉卿厉又叶后"
    "向周咏品唯喻四圣增多夫奇妤姿威娣嫒孔存定客宪宽宾寅尔尧屏屹岐岱岑峥巍州巧常干广庚廉弘彝彪律微徽忆忱怜恋恺悠惟愫愷懿戈扬抒拓捷攀斐斯方施日昂易昭显晋暄曼朔望朵未术来枝栩梨棠槿水汇沁沅"
    "沙泓泳洛浚浦涓淇添湘湛溪滨漫灵烁焘煊熠牧特猛献玄玖玘珈珑琢璋瓒甜甫用男留畅登百皎盼睦知砚硕祎祯祺禹科程穆空童竞笑筠筱箫简米精糖索纤纳绘络绢综绵缇缘罗羲翊翎翰耘聆肖育臣臻至舒艺艾芊芙"
    "芮苏苒苓范茹荆莘菀萧葆葳蒙蓓蔚蕙蕴薪蝶衡裕西观言诺谊谨谷豫贻赋赫起路轶辛迁迅迎运通遥邦邵郁都酉里重量锴镇镜闯阅际陶隽靖韵顺颂颐飒驹骁骥魁麒默黛鼎侃茗"
)
GIVEN_SET = frozenset(GIVEN)
FREE = "于因的说在为是有患出入今自曾及和与主女男诉现经拟行已将被对向从到由就其这那我你他她们来去要会能可以并或但如则还也都又再很最更每各把给让请使叫称表需应未不无没否了着过吗呢吧啊前后内外上下中时日月年岁号楼床科室院区处第至此该本"
NAME = rf"(?:{FAMILY}{HAN}{{1,2}})"

_AHEAD_WORDS = (
    "患者|病人|病员|伤者|死者|产妇|患儿|孕妇|患方|姓名|名字|曾用名|联系人|家属|家长|监护人|陪护|陪同人|陪同|签名|签字|签署|主治医师|主任医师|副主任医师|住院医师|责任医师|经治医师|管床医生|主管医生|主管医师|接诊医生|值班医生|医师|医生|主任|护士长|责任护士|护士|护理员|大夫|教授|院长|药师|技师|检验者|检验员|审核者|审核人|审核|报告者|报告人|报告医师|记录者|记录人|记录|操作者|术者|主刀|助手|一助|二助|麻醉师|麻醉医师|麻醉"
    "|其子|其女|其妻|其夫|其母|其父|之子|之女|之妻|长子|次子|长女|次女|大儿子|小女儿|母亲|父亲|妈妈|爸爸|妻子|丈夫|儿子|女儿|爱人|配偶|哥哥|姐姐|弟弟|妹妹|爷爷|奶奶|外公|外婆|姥姥|姥爷|叔叔|阿姨|舅舅|姑姑|儿媳|女婿|侄子|侄女|外甥|孙子|孙女|同事|朋友|邻居|老公|老婆|孩子|男友|女友|室友|同学|闺蜜|我叫|名叫|叫做|叫|我是|本人|转告|告知|通知|尊敬的|亲爱的|委托|授权|签字人|委托人|申请人|代理人|受试者|投保人|被保险人|参保人|持卡人|户主|收件人|寄件人|收货人|员工|职工|学生|老师|业主|客户|会员|当事人|负责人|经办人|受益人|法定代表人|咨询者|求助者|网友|用户|居民|参与者|志愿者|献血者|供者|受者|乘客|司机|车主|护工|保姆|校长|书记|经理|队长|律师|警官|法官|研究者|新生儿|宝宝|专家|博士|随访人|填表人|采样人|送检医生|送检人|申请医生|开单医生|会诊医师|会诊医生|联系|姓名是|姓名为|名为|名是"
)
_AHEAD = re.compile(
    rf"(?P<cue>{_AHEAD_WORDS}|(?<![A-Za-z])(?i:patient|pt|name|dr|mr|mrs|ms|miss|prof|doctor|nurse|dear|by|with|son|daughter|wife|husband|mother|father|attending|signed|told|contact)\.?)"
    rf"(?P<called>的?(?:姓名|名字|名))?(?P<mark> ?(?:[:：]|（[^（）\n]{{1,12}}）[:：]?|\([^()\n]{{1,12}}\):?|“|「|是|为|叫)?[ \t]{{0,4}}“?)(?P<n>(?:{COMPOUND}){HAN}{{1,2}}|[{SURNAMES}{TRADITIONAL}](?: ?{HAN}){{1,3}})"
)
# Surnames that are far oftener a word of their own; they count after a plain label only.
_DOUBTFUL = frozenset(
    "支山松富牧印宿束幸索籍居满师融勾别终暴危怀应对向时和通从还经连都明利幸可但代付相如双养后红国广化容步计终须那能有解要以用被将已即则阴"
)
_NAMING = frozenset(
    [
        "我叫",
        "名叫",
        "叫做",
        "转告",
        "姓名",
        "名字",
        "签名",
        "签字",
        "姓名是",
        "姓名为",
        "名为",
        "名是",
        "其子",
        "其女",
        "其妻",
        "其夫",
        "其母",
        "其父",
        "之子",
        "之女",
        "之妻",
        "长子",
        "次子",
        "长女",
        "次女",
    ]
)
_ROLE = "先生|女士|小姐|同志|医生|医师|大夫|主任|护士长|护士|教授|老师|阿姨|叔叔|大爷|大妈|大伯|大叔|大娘|奶奶|爷爷|院长|博士|院士|经理|同学|师傅|太太|夫人|书记|法官|律师|药师|技师|患者|病人|主管|局长|校长|队长|警官|伯伯|婆婆|女士的|先生的|老人|患儿|小朋友|宝宝|某"
_BEHIND = re.compile(rf"(?<![{SURNAMES}](?=[{SURNAMES}]))(?P<n>{FAMILY}{HAN}{{0,2}}?) ?(?P<role>{_ROLE})")
_SAID = re.compile(
    rf"(?P<n>{FAMILY}{HAN}{{1,2}}?)(?=[ ,，(（:：]{{0,2}}(?:男|女)(?:性|士|，|,|、| |。|\d|$)|[ ,，(（]{{0,2}}(?:年龄|\d{{1,3}} ?岁|[一二三四五六七八九十]{{1,4}}岁|身份证|电话|手机|住院号|病历号|病案号|床号|出生|生于|性别|籍贯|住址|家住|汉族))"
)
_MASKED = re.compile(
    rf"(?:(?<![\w])|(?<=[者人名为是叫：: ，,。、]))(?P<n>{FAMILY}(?:某某|某|[*＊×xX○〇]{{1,2}}))(?![A-Za-z0-9])"
)
_OLD = re.compile(rf"(?<!{HAN})(?P<n>[老小阿][{SURNAMES}])(?=[ ,，。:：、是说的来今昨]|$|先|您|你)")
_DOTTED = re.compile(rf"(?P<n>{HAN}{{1,8}}(?:[·•・‧]{HAN}{{1,10}}){{1,3}})")
_ALONE = re.compile(
    rf"(?:^|(?<=[\s，。；：:、！？（(“「\]】\-—/]))(?P<n>(?:{COMPOUND}){HAN}{{1,2}}|[{SURNAMES}]{HAN}{{1,2}}?)(?=(?P<after>$|[\s，。；、！？）)”」\[【/]|[于因的说在为是有患诉今昨已来到自称表示要同您你我和与被经出入复就]))"
)
_PASSIVE = re.compile(
    rf"(?:由|经|请|和|与|找|问|跟|给|向|致|让|嘱|托|被|对|为|同|见|通过)(?P<n>(?:{COMPOUND}){HAN}{{1,2}}|[{SURNAMES}]{HAN}{{1,2}}?)(?=[，。；、\s,)）]|医|护|主[任治管]|陪|签|负责|复[查核]|审|会诊|送|代|完成|执行|操作|主[刀持]|接|开|检|记|书写|填|联系|沟通|说|确认|处理|转|交|通知|签|告知|发|照|介绍|查|做|提|同|电)"
)
_LATIN = re.compile(
    rf"(?:{_AHEAD_WORDS}|由|经|与|和) ?[:：]? ?(?P<n>[A-Z][A-Za-z'-]+(?:[ ·.]{{1,2}}[A-Z][A-Za-z'-]*\.?){{0,3}})(?=[^A-Za-z]|$)|(?P<m>[A-Z][a-z'-]+(?:[ ·][A-Z][A-Za-z'-]+){{0,3}}) ?(?:先生|女士|小姐|医生|医师|主任|教授|护士|博士|大夫|太太|同学|老师)"
)
_FOREIGN = "帕金森|阿尔茨海默|克罗恩|艾迪生|阿狄森|威尔逊|霍奇金|库欣|桥本|格雷夫斯|唐|马凡|雷诺|梅尼埃|川崎|白塞|贝赫切特|干燥|吉兰|巴雷|格林|巴利|夏科|亨廷顿|图雷特|特纳|透纳|美尼尔|贝尔|韦格纳|伯基特|尤文|卡波西|佩吉特|杜兴|科克|巴宾斯基|阿普加|格拉斯哥|史密斯|约翰逊|琼斯|布朗|戴维斯|米勒"
_FOREIGNER = re.compile(rf"(?P<n>{_FOREIGN})(?:先生|女士|医生|博士|教授|小姐|太太|大夫)")
_THINGS = re.compile(
    r"(?:病|综合征|综合症|征|氏|症|瘤|试验|评分|量表|反射|染色|法|术|杆菌|球菌|菌|细胞|体|管|孔|线|现象|定律|公式|指数|分级|分期|分型|麻痹|舞蹈|淋巴瘤|甲状腺炎|紫癜|贫血|导管|手术|肉瘤|溃疡|骨折)"
)


_MIXED = re.compile(r"[一-鿿:] ?[A-Z][a-z]|[A-Z][a-z]+ ?[一-鿿]")


def _is_word(name: str) -> bool:
    """Whether a word of the dictionary begins where the name does."""
    return any(name[:size] in chinese_words(SURNAMES) for size in (2, 3))


def _length(name: str, after: str, sure: bool) -> int:
    """How many characters of a sequence are the name: the surname and one or two more.

    Args:
        name: the surname and the characters after it.
        after: the text that goes on.
        sure: whether a label with a colon says that a name stands here.
    """
    bare = name.replace(" ", "")
    family = 2 if bare[:2] in COMPOUND.split("|") else 1
    given = bare[family:]
    if family == 1 and not sure and bare[0] in _DOUBTFUL:
        return 0
    if (
        family == 1
        and _is_word(bare[:3])
        and not (sure and all(letter in GIVEN_SET for letter in given[:2] if letter not in FREE))
    ):
        return 0
    if not given or (given[0] in FREE and given[0] not in GIVEN_SET):
        return 0
    if not sure and given[0] not in GIVEN_SET:
        return 0
    if len(given) == 1:
        return family + 1
    second = given[1]
    going = second + after[:1]
    if second in FREE and (
        second not in GIVEN_SET or not after or not re.match(r"[，。、；,;\s:：)）]|[于因男女]", after)
    ):
        return family + 1
    if second not in GIVEN_SET and not (sure and (not after or re.match(r"[\s，。、；,;)）]|$", after))):
        return family + 1
    return family + (
        1
        if going in ("医生", "主任", "护士", "女士", "先生", "教授", "大夫", "医师", "出生", "来院", "主诉", "可以")
        else 2
    )


def chinese_names(text: str) -> Iterator[Found]:
    """Names of people in Chinese script, and those in Latin script between Chinese words, in a plain text."""
    if not re.search(HAN, text):
        return
    for match in _AHEAD.finditer(text):
        start, name = match.start("n"), match["n"]
        sure = bool(re.search(r"[:：“「]", match["mark"])) and match["cue"] not in (
            "报告",
            "记录",
            "审核",
            "联系",
            "麻醉",
            "通知",
            "告知",
        )
        size = _length(
            name, text[match.end() : match.end() + 2], sure or match["called"] is not None or match["cue"] in _NAMING
        )
        if size:
            end, left = start, size
            while left:
                left -= text[end] != " "
                end += 1
            yield Found(start, end, "name")
    for match in _BEHIND.finditer(text):
        name = match["n"]
        before = text[match.start() - 1 : match.start()]
        if len(name) > 1 and _is_word(name) and name[:2] not in COMPOUND.split("|"):
            continue
        if len(name) == 1 and (
            _is_word(name + match["role"][:1])
            or (
                before
                and re.match(HAN, before)
                and before not in "的和与请找问由经是为叫，给跟向在到让见了对同谢访位即属及"
            )
        ):
            continue
        if len(name) > 1 and any(letter in FREE and letter not in GIVEN_SET for letter in name[1:]):
            continue
        if (
            len(name) > 1
            and not all(letter in GIVEN_SET for letter in name[1 if name[:2] not in COMPOUND.split("|") else 2 :])
            and before
            and re.match(HAN, before)
        ):
            continue
        yield Found(match.start("n"), match.end("n") + (match["role"] == "某"), "name")
    for pattern in (_SAID, _ALONE, _PASSIVE):
        for match in pattern.finditer(text):
            name = match["n"]
            family = 2 if name[:2] in COMPOUND.split("|") else 1
            before = text[match.start("n") - 1 : match.start("n")] if match.start("n") else ""
            if pattern is _SAID and before and re.match(HAN, before) and before not in "者人名为是叫儿妇子女妻":
                continue
            if family == 1 and (name[0] in _DOUBTFUL or (pattern is _PASSIVE and name[0] == "于")):
                continue
            if (family == 1 and _is_word(name)) or not all(letter in GIVEN_SET for letter in name[family:]):
                continue
            if (
                pattern is _ALONE
                and family == 1
                and len(name) == 2
                and match["after"]
                and match["after"] not in "于因说诉称自来今昨表"
            ):
                continue
            yield Found(match.start("n"), match.end("n"), "name")
    for pattern in (_MASKED, _OLD, _FOREIGNER):
        for match in pattern.finditer(text):
            yield Found(match.start("n"), match.end("n"), "name")
    if any(dot in text for dot in "·•・‧"):
        for match in _DOTTED.finditer(text):
            if not _THINGS.match(text, match.end()) and not _THINGS.search(match["n"].split("·")[-1][1:]):
                start = match.start()
                head = re.match(rf"(?:.*?(?:{_AHEAD_WORDS}|[是为由经和与]))", match["n"])
                if head and head.end() < match["n"].find("·"):
                    start += head.end()
                yield Found(start, match.end(), "name")
    for match in near(_MIXED, _LATIN, text, 24, 60):
        group = "n" if match["n"] else "m"
        name = match[group]
        if name in words("medicines.txt") or (name.isupper() and len(name) <= 5) or name.lower() in english_words():
            continue
        yield Found(match.start(group), match.end(group), "name")
